# Licensed under Apache-2.0.
"""A list of pictures in which one class is rare, from a list in which it isn't."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mmwsss.io.errors import UserError

#: pictures of the most frequent class to one of the rare class
RATIO = 50


def rare_lines(lines: Sequence[str], rare: str, ratio: int = RATIO) -> list[str]:
    """The lines of a split of which only a few hold a class, 1 to ``ratio``.

    Args:
        lines: ``name class class ...`` of each picture.
        rare: the class; its first pictures stay, 1 for ``ratio`` of the class that is
            the most frequent then, and at least one.
        ratio: 1 or more.

    Returns:
        The lines that stay, in their order.

    Raises:
        UserError: if no picture has the class.
    """
    has = [rare in line.split()[1:] for line in lines]
    if not any(has):
        known = sorted({name for line in lines for name in line.split()[1:]})
        raise UserError(f'no picture holds the class {rare!r}; there are {known}')
    rest = [line for line, found in zip(lines, has, strict=True) if not found]
    counts = Counter(name for line in rest for name in line.split()[1:])
    left = max(1, round(max(counts.values(), default=0) / ratio))
    kept = []
    for line, found in zip(lines, has, strict=True):
        left -= found
        if not found or left >= 0:
            kept.append(line)
    return kept
