# Licensed under Apache-2.0.
"""Configs of the data sets of a folder that no config describes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmwsss.datasets.label_channels import BACKGROUND, foreground_classes
from mmwsss.datasets.readers.reading import read_table
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import IMAGE_SUFFIXES, image_stem

from .found_parts import LABEL_FILES, Part, find_parts, given_lists
from .layout import CLASSES, picture_entries

#: folders of masks
_MASKS = ('masks', 'SegmentationClass')


def folder_splits(root: str | Path) -> dict[str, dict[str, Any]]:
    """Configs of data sets, by split; a folder without splits is one, ``'all'``.

    Args:
        root: with labels and pictures, as :func:`.find_parts` finds them; masks lie in
            ``masks`` or ``SegmentationClass``.

    Raises:
        UserError: if there is nothing of that kind.
    """
    root = str(root)
    parts = find_parts([root])
    if not any(_holds_labels(part) for part in parts):
        raise UserError(
            f'{root} holds no labels that are known ({", ".join(LABEL_FILES)}, '
            'train.txt, splits/train.txt, or folders of classes): give a config whose '
            'data set names them'
        )
    masks = next((name for name in _MASKS if Path(root, name).is_dir()), None)
    shared = dict(type='FolderWeakDataset', data_root=root, **_entries(root, parts))
    return {
        split: shared | _split_entries(root, split, part, names, masks)
        for split, part, names in _splits(root, parts)
    }


def _splits(root: str, parts: list[Part]) -> list[tuple[str, Part, str | None]]:
    """Split, labels, and the list of its names where the labels are of all splits."""
    lists = given_lists(root) if parts[0].split is None else {}
    if lists:
        return [(split, parts[0], path) for split, path in lists.items()]
    return [(part.split or 'all', part, None) for part in parts]


def _split_entries(
    root: str, split: str, part: Part, names: str | None, masks: str | None
) -> dict[str, Any]:
    """What differs from split to split."""
    prefix = dict(img_path=os.path.relpath(part.images, root))
    entries: dict[str, Any] = dict(ann_file=os.path.relpath(part.labels, root))
    if names:
        entries['split_file'] = os.path.relpath(names, root)
    if masks:
        prefix['seg_map_path'] = masks
        # masks of training pictures are looked at, where there are any, not asked for
        trained_on = split in ('train', 'all')
        entries['test_mode'] = not trained_on and _has_masks(
            Path(root, masks), names or part.labels
        )
    return entries | dict(data_prefix=prefix)


def _holds_labels(part: Part) -> bool:
    """Whether there is a label file, or class folders that hold pictures."""
    place = Path(part.labels)
    folders = (
        [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else ()
    )
    return place.is_file() or any(
        path.suffix.lower() in IMAGE_SUFFIXES
        for folder in folders
        for path in folder.iterdir()
    )


def _entries(root: str, parts: list[Part]) -> dict[str, Any]:
    """Classes, where no ``classes.txt`` names them, and the rule of the pictures."""
    entries: dict[str, Any] = {}
    rule = picture_entries(root)
    if rule:
        entries['picture'] = rule
    if not Path(root, CLASSES).is_file():
        tables = [read_table(part.labels, folder=part.images) for part in parts]
        seen = {name for t in tables for names in t.labels.values() for name in names}
        entries['metainfo'] = dict(classes=(BACKGROUND, *foreground_classes(seen)))
    return entries


def _has_masks(masks: Path, names: str) -> bool:
    """Whether any picture of a list or label file has a mask."""
    there = {path.stem for path in masks.rglob('*')}
    return any(
        Path(image_stem(name)).name in there for name in read_table(names).labels
    )
