# Licensed under Apache-2.0.
"""What a folder of ``tools/dataset_converters/folder.py`` says to its config."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.own.layout import (
    CLASSES,
    LABELS,
    MASKS,
    list_file,
    listed_splits,
    picture_entries,
)
from mmwsss.datasets.own.own_folder import open_split
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import DataError
from mmwsss.io.palette import class_palette
from mmwsss.io.pictures.band_statistics import band_statistics
from mmwsss.io.pictures.picture_rule import PictureRule

from .config_text import FolderFacts

#: pictures that mean and deviation are counted on
_COUNTED = 40


def read_facts(root: str, picture: Mapping[str, Any] | None = None) -> FolderFacts:
    """Open a folder, and tell what a config needs to know.

    Args:
        root: of the data set.
        picture: entries of ``picture=dict(...)`` laid over those of the folder.

    Raises:
        DataError: naming what is missing or doesn't fit.
    """
    rule = _picture(root, picture)
    lists = listed_splits(root)
    _refuse_unfinished(root)
    masked = os.path.isdir(f'{root}/{MASKS}')
    scored = [split for split in lists if masked and split != 'train']
    sets = {split: open_split(root, split, rule, split in scored) for split in lists}
    train = sets['train']
    _refuse_without_objects(root, train)
    summary = train.summary()
    sizes = summary.sizes or ((0, 0),)
    height, width = np.median(sizes, 0)
    mean, std = _normal(train, rule)
    classes = tuple(train.metainfo['classes'])
    return FolderFacts(
        root=Path(root).as_posix(),
        classes=classes,
        palette=class_palette(len(classes)),
        counts={split: len(data) for split, data in sets.items()},
        scored=tuple(scored),
        size=(int(height), int(width)),
        picture=rule,
        mean=mean,
        std=std,
        remarks=tuple(summary.rare_classes()),
    )


def _refuse_unfinished(root: str) -> None:
    needed = (LABELS, CLASSES, list_file('train'))
    absent = [name for name in needed if not os.path.isfile(os.path.join(root, name))]
    if absent:
        raise DataError(
            root,
            f'has no {absent[0]}',
            'make it by tools/dataset_converters/folder.py SOURCE --out FOLDER',
        )


def _refuse_without_objects(root: str, train: WeakSegDataset) -> None:
    """Refuse good pictures alone, which anomaly detection is trained on."""
    if any(train.get_data_info(i)['gt_labels'] for i in range(len(train))):
        return
    raise DataError(
        f'{root}/{list_file("train")}',
        'names no picture that holds an object, from which classes could be learnt',
        'make the folder of pictures with and without objects, as test/ of anomaly '
        'data sets has them; folder.py draws the splits',
    )


def _picture(root: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The folder's rule of pictures and the user's, with tuples."""
    return PictureRule.of({**picture_entries(root), **(given or {})}).entries()


def _normal(
    train: WeakSegDataset, rule: Mapping[str, Any]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each band, where they aren't the three of RGB."""
    taken = PictureRule.of(rule)
    if len(taken.bands or (0, 1, 2)) == 3:
        return (), ()
    paths = [train.get_data_info(i)['img_path'] for i in range(len(train))]
    found = band_statistics(paths, taken, _COUNTED)
    std = np.maximum(found.std, 1)  # a band of one value
    return tuple(found.mean.round(2).tolist()), tuple(std.round(2).tolist())
