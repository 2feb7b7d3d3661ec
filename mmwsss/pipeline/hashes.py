# Licensed under Apache-2.0.
"""When is an input the same as before: hashes of files and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Any

from .manifest import MANIFEST, settings_hash

_LISTS = ('.txt', '.json', '.csv')
LOADERS = ('train', 'val', 'test')


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
    with open(path, 'rb') as file:
        return file_digest(file, 'sha256').hexdigest()[:16]


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


def config_files(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of the files that a config names.

    Every string that is the path of a file counts (weights, label files), and of each
    ``data_root`` the text, JSON and CSV files directly in it (classes, labels, the
    settings of a drawn data set). Pictures and masks of a data set don't count.
    """
    found: set[str] = set()
    for key, text in _strings(cfg):
        if key == 'data_root' and os.path.isdir(text):
            found |= {
                entry.path
                for entry in os.scandir(text)
                if entry.name.endswith(_LISTS) and entry.is_file()
            }
        elif len(text) < 4096 and '\n' not in text and os.path.isfile(text):
            found.add(text)
    return {name: str(path_hash(name)) for name in sorted(found)}


def list_files(
    cfg: Mapping[str, Any], loaders: Sequence[str] = (), split: str | None = None
) -> dict[str, str]:
    """Hashes of the lists of images and labels that data sets read.

    Folders of labels count as :func:`path_hash` says. Lists that come with mmwsss
    don't count.

    Args:
        cfg: the config.
        loaders: the data loaders whose lists are meant.
        split: without loaders: the split; ``None``: that of the training.
    """
    datasets = {
        name: dict((cfg.get(f'{name}_dataloader') or {}).get('dataset') or {})
        for name in LOADERS
    }
    if loaders:
        chosen = [datasets[name] for name in loaders]
    else:
        train = datasets['train']
        of_split = [data for data in datasets.values() if data.get('split') == split]
        chosen = (
            of_split
            if of_split and split
            else [train | (dict(split=split) if split else {})]
        )
    return {path: str(path_hash(path)) for data in chosen for path in _lists_of(data)}


def _lists_of(dataset: Mapping[str, Any]) -> Iterator[str]:
    """Label file, list of images; the splits of Shapes and COCO by their place."""
    root, labels = dataset.get('data_root'), dataset.get('ann_file')
    if root and not labels:
        labels = f'splits/{dataset.get("split", "train")}.txt'
    for name in filter(None, (labels, dataset.get('split_file'))):
        path = os.path.join(root or '', name)
        if os.path.exists(path):
            yield path


def _strings(value: Any, key: str = '') -> Iterator[tuple[str, str]]:
    """All strings of nested data, with the key that each stands under."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _strings(item, str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item, key)
