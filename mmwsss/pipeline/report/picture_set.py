# Licensed under Apache-2.0.
"""The pictures that a report runs the network on, with their masks if there are any."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError, first_lines
from mmwsss.io.known_labels import labels_known
from mmwsss.registry import DATASETS

from ..generate.split_images import MASK_LOADERS, split_cfg

#: of the drawing of pictures: two runs get the same ones
_SEED = 0


@dataclass(frozen=True)
class PictureSet:
    """Pictures of a data set.

    Attributes:
        dataset: those that were drawn, in test mode.
        total: how many the data set has.
        split: how it is called.
        batch_size: of the loader.
        without_masks: why there are no masks, ``''`` where there are.
        labelled: whether the image labels of all of them are known.
    """

    dataset: Any
    total: int
    split: str
    batch_size: int
    without_masks: str
    labelled: bool


def build_picture_set(cfg: Config, count: int) -> PictureSet:
    """Build the test set of a config, else that of validation, else of training.

    A data set whose masks aren't there is built without them.

    Args:
        cfg: as the run left it.
        count: pictures at most, drawn with a fixed seed.

    Raises:
        UserError: if there are no pictures either.
        OSError: if files of the data set are missing.
    """
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    loader, split = _loader(cfg)
    dataset_cfg = copy.deepcopy(dict(loader['dataset']))
    reason = ''
    if split == 'train':
        reason = 'the config has no data set to test on'
    try:
        dataset = DATASETS.build(dataset_cfg)
    except (UserError, OSError) as error:
        reason = in_short(error)
        dataset = DATASETS.build(without_masks(dataset_cfg))
    total = len(dataset)
    if count < total:
        drawn = np.random.default_rng(_SEED).permutation(total)[:count]
        dataset = dataset.get_subset(sorted(drawn.tolist()))
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    known = all(labels_known(info) for info in infos)
    name = dataset_cfg.get('split') or split
    return PictureSet(dataset, total, name, loader.get('batch_size', 1), reason, known)


def in_short(error: Exception) -> str:
    """What is wrong, in a line, without the fix."""
    if isinstance(error, DataError):
        return f'{error.path} {error.problem}'
    return first_lines(str(error), 1)


def _loader(cfg: Config) -> tuple[Mapping[str, Any], str]:
    for split in ('test', 'val'):
        if cfg.get(f'{split}_dataloader'):
            return cfg[f'{split}_dataloader'], split
    if not cfg.get('train_dataloader'):
        raise UserError('the config names no data set')
    dataset = split_cfg(cfg, None, 'pred', plain=True)
    return dict(cfg.train_dataloader) | dict(dataset=dataset), 'train'


def without_masks(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a data set that finds and loads no masks.

    Args:
        dataset: its config.
    """
    steps = [
        step
        for step in dataset.get('pipeline', ())
        if str(step['type']).rpartition('.')[2] not in MASK_LOADERS
    ]
    found = {**dataset, 'pipeline': steps}
    kind = DATASETS.get(dataset['type'])
    if inspect.isclass(kind) and issubclass(kind, WeakSegDataset):
        found |= dict(with_masks=False, allow_unlabelled=True)
    return found


def training_labels(cfg: Config) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Channels of each labelled training picture, and the names of the channels.

    Raises:
        ValueError: if the config trains on no image labels, or files are missing.
        OSError: the same.
    """
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    dataset = DATASETS.build(split_cfg(cfg, None, 'pred', plain=True))
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    labels = [tuple(info['gt_labels']) for info in infos if labels_known(info, True)]
    return labels, tuple(dataset.metainfo['classes'][1:])
