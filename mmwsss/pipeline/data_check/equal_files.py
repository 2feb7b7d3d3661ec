# Licensed under Apache-2.0.
"""Files of one content."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable

_CHUNK = 1 << 20


def equal_files(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of two and more files with one content.

    Sizes are compared first; only files of one size are read. Links to one file are
    one content too.

    Args:
        paths: of files that are there; one that comes again counts once.

    Returns:
        Groups in the order of their first file.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        by_size[os.path.getsize(path)].append(path)
    by_content: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for size, same in by_size.items():
        for path in same if len(same) > 1 else ():
            by_content[size, _digest(path)].append(path)
    return [tuple(group) for group in by_content.values() if len(group) > 1]


def _digest(path: str) -> bytes:
    with open(path, 'rb') as file:
        found = hashlib.blake2b()
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.digest()
