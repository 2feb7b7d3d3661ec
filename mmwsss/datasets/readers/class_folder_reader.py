# Licensed under Apache-2.0.
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from mmwsss.io.litter import is_litter
from mmwsss.io.wording import setting
from mmwsss.registry import LABEL_READERS

from .cells import split_cell
from .class_folder_checks import KINDS, check_class_folders
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

#: of files that may hold labels
_LABEL_SUFFIXES = (
    *('.json', '.jsonl', '.ndjson', '.csv', '.tsv', '.xml', '.npy', '.npz'),
)
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
            places = sorted(
                (item.name, item.is_dir()) for item in items if not is_litter(item.name)
            )
        for name, is_folder in places:
            if not is_folder:
                _leave_out(source, os.path.join(source.path, name), LOOSE)
                continue
            labels = split_cell(name, known, ('+',))
            folder = os.path.join(source.path, name)
            if source.passes_over(folder):
                continue
            paths = list(_pictures(folder, source))
            if not paths and name.lower() not in KINDS:
                source.declared += labels
            for path in paths:
                found[os.path.relpath(path, source.path)] = labels
        if not found:
            self._refuse(source)
        check_class_folders(source, found, known)
        yield from found.items()

    def _refuse(self, source: LabelSource) -> None:
        fix = 'make one folder a class, with its images inside'
        if source.label_like:
            fix = f'give {setting("ann_file", source.label_like[0])}'
        raise LabelError(
            source.path,
            f'holds no folder with images{_seen(source)}',
            fix,
        )


def _pictures(folder: str, source: LabelSource) -> Iterator[str]:
    """Paths of the pictures below; what else is there is left out."""
    for path in _files(folder, source):
        if path.lower().endswith(IMAGE_SUFFIXES):
            yield path
        else:
            _leave_out(source, path, 'no picture')


def _files(folder: str, source: LabelSource) -> Iterator[str]:
    """Paths of all files below, in order, without litter; links upwards are left out.

    A link to a folder above it would give the same pictures without end.
    """
    for place, folders, files in os.walk(folder, followlinks=True):
        up = {name for name in folders if _leads_up(os.path.join(place, name))}
        for name in up:
            source.left_out[name, 'a link to a folder above it'] += 1
        folders[:] = sorted(
            name
            for name in folders
            if not (name in up or is_litter(name))
            and not source.passes_over(os.path.join(place, name))
        )
        for name in sorted(files):
            if not is_litter(name):
                yield os.path.join(place, name)


def _leads_up(path: str) -> bool:
    """Whether a folder is a link to one on the way to it, over other links too."""
    if not os.path.islink(path):
        return False
    target = os.path.join(os.path.realpath(path), '')
    above = (os.path.join(os.path.realpath(p), '') for p in Path(path).parents)
    return any(place.startswith(target) for place in above)


def _leave_out(source: LabelSource, path: str, reason: str) -> None:
    """Count a file that isn't taken."""
    name = os.path.basename(path).lower()
    suffix = os.path.splitext(name)[1]
    if suffix in UNREAD_SUFFIXES:
        reason = 'Pillow does not read it; convert it to JPEG or PNG'
    elif reason == LOOSE and suffix not in IMAGE_SUFFIXES:
        reason = 'no picture'
    if suffix in _LABEL_SUFFIXES:
        source.label_like.append(path)
    source.left_out[suffix or name, reason] += 1


def _seen(source: LabelSource) -> str:
    counts = [f'{n} {suffix}' for (suffix, _), n in source.left_out.items()]
    return f', but {", ".join(counts)}' if counts else ''
