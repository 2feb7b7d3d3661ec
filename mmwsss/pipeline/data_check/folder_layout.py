# Licensed under Apache-2.0.
"""The splits of a folder that no config describes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmwsss.datasets.label_channels import BACKGROUND, LabelChannels
from mmwsss.datasets.readers.reading import read_table
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import IMAGE_SUFFIXES, image_stem

SPLITS = ('train', 'val', 'test')
#: label files that need no name, folders of pictures and of masks
_LABELS = (
    *('labels.csv', 'labels.txt', 'labels.json', '_classes.csv', 'metadata.jsonl'),
    '_annotations.coco.json',
)
_IMAGES, _MASKS = ('images', 'JPEGImages'), ('masks', 'SegmentationClass')
_CLASSES, _PICTURE = 'classes.txt', 'picture.json'


def folder_splits(root: str | Path) -> dict[str, dict[str, Any]]:
    """Configs of data sets, by split; a folder without splits is one, ``'all'``.

    Args:
        root: with labels and pictures as docs/en/data.md shows them: ``labels.csv``
            with lists of names in ``splits``; ``train.txt`` of names and classes;
            folders ``train``, ``val``, ``test`` of class folders or with a label file
            each; or class folders.

    Raises:
        UserError: if there is nothing of that kind.
    """
    root = Path(root)
    found = dict(_split_entries(root)) or dict(_whole(root))
    if not found:
        raise UserError(
            f'{root} holds no labels that are known ({", ".join(_LABELS)}, train.txt, '
            'splits/train.txt, or folders of classes): give a config whose data set '
            'names them'
        )
    images = next((name for name in _IMAGES if (root / name).is_dir()), None)
    masks = next((name for name in _MASKS if (root / name).is_dir()), None)
    prefix = {}
    if images and not any((root / e['ann_file']).is_dir() for e in found.values()):
        prefix['img_path'] = images
    base: dict[str, Any] = dict(type='FolderWeakDataset', data_root=str(root))
    base |= _entries(root, found)
    return {
        split: {
            **base,
            **entry,
            'data_prefix': prefix | (dict(seg_map_path=masks) if masks else {}),
            'test_mode': bool(masks) and _has_masks(root / str(masks), root, entry),
        }
        for split, entry in found.items()
    }


def _split_entries(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """``ann_file`` and ``split_file`` of each split that is there."""
    whole = next((name for name in _LABELS if (root / name).is_file()), None)
    for split in SPLITS:
        lists = (f'splits/{split}.txt', f'{split}.txt')
        listed = next((name for name in lists if (root / name).is_file()), None)
        inside = [f'{split}/{name}' for name in _LABELS]
        if listed and whole:
            yield split, dict(ann_file=whole, split_file=listed)
        elif listed:
            yield split, dict(ann_file=listed)
        elif (root / split).is_dir():
            files = [name for name in inside if (root / name).is_file()]
            yield split, dict(ann_file=files[0] if files else split)


def _whole(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A folder that isn't split: by its label file, or class folders."""
    files = [name for name in _LABELS if (root / name).is_file()]
    if files:
        yield 'all', dict(ann_file=files[0])
    elif any(_has_pictures(path) for path in root.iterdir() if path.is_dir()):
        yield 'all', dict(ann_file='.')


def _has_pictures(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def _entries(root: Path, found: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Classes, where no ``classes.txt`` names them, and the rule of the pictures."""
    entries: dict[str, Any] = {}
    if (root / _PICTURE).is_file():
        entries['picture'] = json.loads((root / _PICTURE).read_text(encoding='utf-8'))
    if not (root / _CLASSES).is_file():
        names = {
            name
            for entry in found.values()
            for labels in read_table(str(root / entry['ann_file'])).labels.values()
            for name in labels
        }
        negatives = LabelChannels((BACKGROUND, 'x')).negatives
        classes = sorted(name for name in names if name.casefold() not in negatives)
        entries['metainfo'] = dict(classes=(BACKGROUND, *classes))
    return entries


def _has_masks(masks: Path, root: Path, entry: dict[str, str]) -> bool:
    """Whether any picture of a split has a mask."""
    names = read_table(str(root / entry.get('split_file', entry['ann_file']))).labels
    there = {path.stem for path in masks.iterdir()} if masks.is_dir() else set()
    return any(Path(image_stem(name)).name in there for name in names)
