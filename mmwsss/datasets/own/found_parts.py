# Licensed under Apache-2.0.
"""What a user's folder holds: label files or class folders, split or not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmwsss.datasets.readers.reading import read_table
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import IMAGE_SUFFIXES

from .layout import IMAGES, LISTS

#: what folders and lists of splits are called, by the name that they get here
SPLIT_NAMES = dict(
    train='train', training='train', val='val', valid='val', validation='val',
    test='test', testing='test',
)  # fmt: skip
#: label files that are taken without being named
LABEL_FILES = (
    *('labels.csv', 'labels.tsv', 'labels.txt', 'labels.json', '_classes.csv'),
    *('metadata.jsonl', 'metadata.csv', '_annotations.coco.json', 'annotations.json'),
    *('annotations.xml', 'cls_labels.npy'),
)
#: folders of pictures beside label files
IMAGE_FOLDERS = (IMAGES, 'JPEGImages')


@dataclass(frozen=True)
class Part:
    """Labels, and the pictures that they are of.

    Attributes:
        labels: label file, or folder with one folder a class.
        images: folder below which the labels name pictures.
        split: ``'train'``, ``'val'`` or ``'test'``; ``None``: to be drawn.
    """

    labels: str
    images: str
    split: str | None = None

    @property
    def prefix(self) -> str:
        """What the names of a given split begin with, so that none stands twice."""
        return f'{self.split}/' if self.split else ''


def find_parts(
    sources: list[str], images: dict[str | None, str] | None = None
) -> list[Part]:
    """What is given, or what a folder holds.

    Args:
        sources: one label file or folder; or several, each ``SPLIT=PATH``.
        images: folder of the pictures by split; ``None``: for all.

    Returns:
        The parts, by split, or one whose splits are to be drawn.

    Raises:
        UserError: if a split is unknown or comes twice, be it as folder or list.
        LabelError: if a path isn't there, or holds several label files.
    """
    images = images or {}
    named = [named_path(text) for text in sources]
    splits = [split for split, _ in named]
    if len(named) > 1 and (None in splits or len(set(splits)) < len(splits)):
        raise UserError(
            f'several sources must each say which split they are, as train=PATH '
            f'val=PATH; got {sources}'
        )
    if len(named) == 1 and named[0][0] is None:
        source = named[0][1]
        inner = _split_folders(source) or _labelled_lists(source)
        named = list(inner.items()) or named
    return [
        _part(path, split, images.get(split, images.get(None))) for split, path in named
    ]


def named_path(text: str) -> tuple[str | None, str]:
    """``SPLIT=PATH`` → split and path; a path that is there is taken as it is.

    Raises:
        UserError: if the split is unknown.
    """
    name, mark, path = text.partition('=')
    if not mark or os.path.exists(text):
        return None, text
    if name not in SPLIT_NAMES:
        raise UserError(
            f'{text!r} names the split {name!r}; known are {sorted(SPLIT_NAMES)}'
        )
    return SPLIT_NAMES[name], path


def given_lists(folder: str) -> dict[str, str]:
    """Lists of a folder that say which picture is in which split, by split.

    They lie in the folder itself or in ``splits`` below it.

    Raises:
        UserError: if two are of one split.
    """
    places = (os.path.join(folder, LISTS), folder)
    paths = [
        (split, os.path.join(place, f'{name}.txt'))
        for place in places
        for name, split in SPLIT_NAMES.items()
    ]
    return _one_each([pair for pair in paths if os.path.isfile(pair[1])])


def _one_each(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Path by split; without one for training they are of something else.

    Raises:
        UserError: if two are of one split.
    """
    paths: dict[str, str] = {}
    for split, path in found if 'train' in dict(found) else ():
        if paths.setdefault(split, path) != path:
            raise UserError(
                f'{paths[split]} and {path} are both of the split {split!r}: put them '
                'together, or take one of them away'
            )
    return paths


def _split_folders(source: str) -> dict[str, str]:
    """Split → folder, where a folder holds one for training."""
    if not os.path.isdir(source) or _label_files(source):
        return {}
    inside = sorted(os.listdir(source))
    paths = [
        (split, os.path.join(source, one))
        for name, split in SPLIT_NAMES.items()
        for one in inside
        if one.lower() == name
    ]
    return _one_each([pair for pair in paths if os.path.isdir(pair[1])])


def _labelled_lists(source: str) -> dict[str, str]:
    """Split → list, where lists name the classes of pictures that lie together.

    Of class folders lists say the splits alone, whatever stands behind their names.
    """
    if not os.path.isdir(source) or _label_files(source):
        return {}
    together = any(
        os.path.isdir(os.path.join(source, n)) for n in IMAGE_FOLDERS
    ) or any(path.suffix.lower() in IMAGE_SUFFIXES for path in Path(source).iterdir())
    lists = given_lists(source) if together else {}
    named = lists and any(read_table(lists['train']).labels.values())
    return lists if named else {}


def _label_files(folder: str) -> list[str]:
    return [name for name in LABEL_FILES if os.path.isfile(os.path.join(folder, name))]


def _part(source: str, split: str | None, images: str | None) -> Part:
    if not os.path.exists(source):
        raise LabelError(source, 'is missing', 'check the path')
    if os.path.isdir(source):
        files = _label_files(source)
        if len(files) > 1:
            raise LabelError(
                source,
                f'holds several label files, {files}',
                'give the one that counts instead of the folder',
            )
        if not files:
            return Part(source, images or _beside_xml(source), split)
        source = os.path.join(source, files[0])
    return Part(source, images or _beside(source), split)


def _beside(file: str) -> str:
    """The folder of pictures beside a label file, or the file's own."""
    folder = os.path.dirname(file) or '.'
    if os.path.basename(folder) == LISTS:
        folder = os.path.dirname(folder) or '.'
    places = [os.path.join(folder, name) for name in IMAGE_FOLDERS]
    return next((place for place in places if os.path.isdir(place)), folder)


def _beside_xml(folder: str) -> str:
    """Pictures of class folders lie in them; those of VOC's XML files beside these."""
    if not any(Path(folder).glob('*.xml')):
        return folder
    parent = os.path.dirname(os.path.normpath(folder)) or '.'
    places = [os.path.join(parent, name) for name in IMAGE_FOLDERS]
    return next((place for place in places if os.path.isdir(place)), folder)
