# Licensed under Apache-2.0.
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mmwsss.datasets.image_names import refuse_photo_in_two_folders
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from mmwsss.registry import LABEL_READERS

from .cells import split_cell
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

#: files that systems and tools leave, of which nobody needs to hear
_LITTER = ('thumbs.db', 'desktop.ini')
_LISTS = ('metadata.jsonl', 'metadata.csv', '_classes.csv', '_annotations.coco.json')
LOOSE = 'not in a class folder'


@LABEL_READERS.register_module(name='folder')
class ClassFolderReader(LabelReader):
    """A folder per class; a folder ``a+b`` holds images of both classes.

    Pictures that can't be read, loose ones and other files are left out and counted.
    """

    order = 20

    def fits(self, source: LabelSource) -> bool:
        """Any folder."""
        return source.is_folder

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """Images by folder and name."""
        found: dict[str, list[str]] = {}
        with os.scandir(source.path) as items:
            places = sorted((item.name, item.is_dir()) for item in items)
        for name, is_folder in places:
            if not is_folder:
                _leave_out(source, name, LOOSE)
                continue
            labels = split_cell(name, known, ('+',))
            for path in _files(os.path.join(source.path, name)):
                if path.lower().endswith(IMAGE_SUFFIXES):
                    found[os.path.relpath(path, source.path)] = labels
                else:
                    _leave_out(source, path, 'no picture')
        if not found:
            self._refuse(source, [name for name, _ in places])
        refuse_photo_in_two_folders(source.path, found)
        yield from found.items()

    def _refuse(self, source: LabelSource, names: list[str]) -> None:
        lists = [name for name in names if name.lower() in _LISTS]
        fix = 'make one folder a class, with its images inside'
        if lists:
            fix = f'give ann_file={Path(source.path, lists[0]).as_posix()!r}'
        raise LabelError(
            source.path,
            f'holds no folder with images{_seen(source)}',
            fix,
        )


def _files(folder: str) -> Iterator[str]:
    """Paths of all files below, in order; folders that begin with a dot left out."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in sorted(files):
            yield os.path.join(place, name)


def _leave_out(source: LabelSource, path: str, reason: str) -> None:
    """Count a file that isn't taken."""
    name = os.path.basename(path).lower()
    if name.startswith('.') or name in _LITTER:
        return
    suffix = os.path.splitext(name)[1]
    if suffix in UNREAD_SUFFIXES:
        reason = 'Pillow does not read it; convert it to JPEG or PNG'
    elif reason == LOOSE and suffix not in IMAGE_SUFFIXES:
        reason = 'no picture'
    source.left_out[suffix or name, reason] += 1


def _seen(source: LabelSource) -> str:
    counts = [f'{n} {suffix}' for (suffix, _), n in source.left_out.items()]
    return f', but {", ".join(counts)}' if counts else ''
