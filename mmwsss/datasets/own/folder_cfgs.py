# Licensed under Apache-2.0.
"""Configs of the data sets of a folder that no config describes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.label_channels import BACKGROUND, foreground_classes, read_classes
from mmwsss.datasets.readers.label_table import LabelTable
from mmwsss.datasets.readers.reading import read_names, read_table
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import image_stem

from .found_parts import LABEL_FILES, Part, find_parts, given_lists
from .gathered import known_labels
from .layout import CLASSES, picture_entries

#: folders of masks
_MASKS = ('masks', 'SegmentationClass')


def folder_splits(root: str | Path) -> dict[str, dict[str, Any]]:
    """Configs of data sets, by split; a folder without splits is one, ``'all'``.

    Args:
        root: with labels and pictures, as :func:`.find_parts` finds them, in any form
            that a reader knows; masks lie in ``masks`` or ``SegmentationClass``.

    Raises:
        UserError: if there is nothing of that kind.
        LabelError: if the only label file can't be read; of several parts those that
            can't be read are refused when they are opened.
    """
    root = str(root)
    parts = find_parts([root])
    masks = next((name for name in _MASKS if Path(root, name).is_dir()), None)
    tables = _tables(root, parts, masks)
    shared = dict(type='FolderWeakDataset', data_root=root, **_entries(root, tables))
    return {
        split: shared | _split_entries(root, split, part, table, names, masks)
        for split, part, table, names in _splits(root, parts, tables)
    }


def _tables(root: str, parts: Sequence[Part], masks: str | None) -> list[LabelTable]:
    """The labels of each part; empty where they can't be read.

    Raises:
        UserError, LabelError: if none can.
    """
    tables, errors = [], []
    classes = Path(root, CLASSES)
    beside = [os.path.join(root, masks)] if masks else []
    known = known_labels(read_classes(classes) if classes.is_file() else ())
    for part in parts:
        try:
            tables.append(read_table(part.labels, 'auto', known, part.images, beside))
        except LabelError as err:
            tables.append(LabelTable(part.labels))
            errors.append(err)
    if len(errors) < len(parts):
        return tables
    if Path(parts[0].labels).is_file():
        raise errors[0]
    raise UserError(
        f'{root} holds no labels that are known ({", ".join(LABEL_FILES)}, '
        'train.txt, splits/train.txt, or folders of classes): give a config whose '
        f'data set names them. Taken as labels by itself, {errors[0]}'
    ) from errors[0]


def _splits(
    root: str, parts: Sequence[Part], tables: Sequence[LabelTable]
) -> list[tuple[str, Part, LabelTable, str | None]]:
    """Split, labels, and the list of its names where the labels are of all splits."""
    lists = given_lists(root) if parts[0].split is None else {}
    if lists:
        return [(split, parts[0], tables[0], path) for split, path in lists.items()]
    pairs = zip(parts, tables, strict=True)
    return [(part.split or 'all', part, table, None) for part, table in pairs]


def _split_entries(
    root: str,
    split: str,
    part: Part,
    table: LabelTable,
    names: str | None,
    masks: str | None,
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
            Path(root, masks), _names(part, table, names)
        )
    return entries | dict(data_prefix=prefix)


def _entries(root: str, tables: Sequence[LabelTable]) -> dict[str, Any]:
    """Classes, where no ``classes.txt`` names them, and the rule of the pictures."""
    entries: dict[str, Any] = {}
    rule = picture_entries(root)
    if rule:
        entries['picture'] = rule
    if not Path(root, CLASSES).is_file():
        seen = Counter(n for t in tables for names in t.labels.values() for n in names)
        entries['metainfo'] = dict(classes=(BACKGROUND, *foreground_classes(seen)))
    return entries


def _names(part: Part, table: LabelTable, names: str | None) -> Collection[str]:
    """The pictures of a split, of a list where there is one."""
    if not names:
        return table.labels
    return read_names(names, set(map(image_stem, table.labels)), part.images)


def _has_masks(masks: Path, names: Collection[str]) -> bool:
    """Whether any of these pictures has a mask."""
    there = {path.stem for path in masks.rglob('*')}
    return any(Path(image_stem(name)).name in there for name in names)
