# Licensed under Apache-2.0.
"""What a data set reads, as far as a tool must not write over it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

_FILES = ('ann_file', 'split_file')


def inputs_read(dataset: Any) -> list[str]:
    """Folders of pictures, masks and side inputs; files of labels and lists.

    Args:
        dataset: built, of any class of mmseg or mmwsss; also one inside wrappers.
    """
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if inner[0] is not None:  # a wrapper
        return list(dict.fromkeys(p for one in inner for p in inputs_read(one)))
    if not hasattr(dataset, 'get_data_info'):
        return []
    infos = map(dataset.get_data_info, range(len(dataset)))
    files = [getattr(dataset, name, '') or '' for name in _FILES]
    return [*filter(None, files), *folders_of(infos)]


def folders_of(infos: Iterable[Mapping[str, Any]]) -> list[str]:
    """The folders in which the files of a list of images lie, each once."""
    folders: dict[str, None] = {}
    for info in infos:
        sides = (info.get('side_inputs') or {}).values()
        paths = [info.get('img_path'), info.get('seg_map_path')]
        for path in (*paths, *(getattr(side, 'path', None) for side in sides)):
            if path:
                folders.setdefault(os.path.dirname(path) or '.')
    return list(folders)
