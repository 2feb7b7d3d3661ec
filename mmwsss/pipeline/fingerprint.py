# Licensed under Apache-2.0.
"""Fingerprints: is this made of the same settings, files and weights as before?

Folders of outputs (:mod:`.manifest`), the stages of a pipeline (:mod:`.plan`) and
experiments (:mod:`.experiment`) are compared by these functions, and by no others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmwsss.io.provenance import MANIFEST
from mmwsss.io.published import absent_parts, is_of_part
from mmwsss.io.settings_hash import plain, settings_hash
from mmwsss.io.weight_files import file_hash


def changes_in_words(there: Any, asked: Any, shown: int = 8) -> str:
    """The first differences in words.

    Args:
        there: settings that something was made with; JSON values.
        asked: settings that are asked for now.
        shown: number of differences that are written out; the others are counted.

    Returns:
        ``'lr: 0.1 → 0.2; seed: 0 → 1; and 3 more'``; empty if nothing differs.
    """
    found = differences(plain(there), plain(asked))
    more = [f'and {len(found) - shown} more'] if found[shown:] else []
    return '; '.join([*found[:shown], *more])


def differences(there: Any, asked: Any, name: str = '') -> list[str]:
    """``name: value there → value asked for`` of every entry that differs.

    Lists of dicts (transforms, hooks) are compared entry by entry where both have as
    many, so that what has changed isn't lost in the part that is left out.

    Args:
        there: the settings that something was made with, as :func:`plain` gives them.
        asked: the settings that are asked for now, the same way.
        name: where in the settings these two stand, with dots; empty at the top.
    """
    if (
        _is_list_of_dicts(there)
        and _is_list_of_dicts(asked)
        and len(there) == len(asked)
    ):
        there, asked = (
            dict(zip(map(str, range(len(both))), both)) for both in (there, asked)
        )
    if isinstance(there, dict) and isinstance(asked, dict):
        prefix = f'{name}.' if name else ''
        return [
            line
            for key in sorted({*there, *asked})
            for line in differences(
                there.get(key, 'nothing'), asked.get(key, 'nothing'), prefix + key
            )
        ]
    same = type(there) is type(asked) and there == asked
    return [] if same else [f'{name}: {_shortened(there)} → {_shortened(asked)}']


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _shortened(value: Any) -> str:
    text = value if value == 'nothing' else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f'{text[:57]}...'


def weights_hash(model: nn.Module) -> str:
    """16 hexadecimal digits of all parameters and buffers with their names.

    Parts that a published file lacks don't count: theirs are other numbers in each run.
    """
    digest, absent = sha256(), absent_parts(model)
    for name, tensor in sorted(model.state_dict().items()):
        lacking = any(is_of_part(name, part) for part in absent)
        if isinstance(tensor, torch.Tensor) and not lacking:
            data = tensor.detach().cpu().contiguous()
            digest.update(f'{name} {tuple(data.shape)} {data.dtype}'.encode())
            digest.update(data.flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def path_hash(path: str | os.PathLike) -> str | None:
    """What a file or folder holds; ``None`` if there is none.

    A file counts by its content. A folder counts by the names, sizes and times of
    change of all files in it (reading thousands of masks again would take minutes) and
    by the content of its ``manifest.json``. Temporary files (``.NAME``, ``*.tmp``)
    don't count.
    """
    path = Path(path)
    if path.is_dir():
        return _folder_hash(path)
    if not path.is_file():
        return None
    state = path.stat()
    return _file_hash(str(path), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _file_hash(path: str, size: int, changed: int) -> str:
    return file_hash(path)[:16]


def _folder_hash(folder: Path) -> str:
    found = sorted(_entries(str(folder), ''))
    manifest = folder / MANIFEST
    content = path_hash(manifest) if manifest.is_file() else None
    return settings_hash([content, [e for e in found if e[0] != MANIFEST]])


def _entries(folder: str, below: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as items:
        for item in items:
            name = below + item.name
            if item.name.startswith('.') or item.name.endswith('.tmp'):
                continue
            if item.is_dir():
                yield from _entries(item.path, f'{name}/')
            else:
                state = item.stat()
                yield name, state.st_size, state.st_mtime_ns
