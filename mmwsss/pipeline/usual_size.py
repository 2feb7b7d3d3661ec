# Licensed under Apache-2.0.
"""The size of the pictures that a network has learnt from, for photos of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from PIL.Image import Resampling
from torch import nn

from mmwsss.datasets.transforms.band_stack import to_image
from mmwsss.io.errors import UserError
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.registry import DATASETS, class_of

#: flat names of entries that say of a size too
_OLD = ('squash', 'resize_long')


def side_for(model: nn.Module, overrides: Mapping[str, Any]) -> int | None:
    """Long side in pixels that larger photos are shrunk to; ``None``: they are not.

    What ``test_cfg`` says of size or windows counts first; else the size of the
    pictures of the model's data set.

    Args:
        model: from :func:`.init_model`.
        overrides: entries of ``test_cfg`` that are replaced. Of a segmentor of mmseg
            only ``input.long_side``.

    Raises:
        UserError: if a segmentor of mmseg is given another entry.
    """
    inner = unwrap(model)
    if not isinstance(inner, WeakSegmentor):
        return _of_mmseg(model, overrides)
    if {'input', 'windows', *_OLD} & set(overrides):
        return None
    cfg = InferenceCfg.of(inner.test_cfg, outputs=())
    if cfg.input.squash or cfg.input.long_side or cfg.windows.size:
        return None
    return usual_side(getattr(model, 'cfg', None))


def _of_mmseg(model: nn.Module, overrides: Mapping[str, Any]) -> int | None:
    entry = overrides.get('input')
    others = sorted(set(overrides) - {'input'} | set(entry or {}) - {'long_side'})
    if others:
        raise UserError(
            f'{type(unwrap(model)).__name__} is a segmentor of mmseg: of test_cfg it '
            f'takes input.long_side alone, got {others}'
        )
    if entry is not None:
        return entry.get('long_side')
    return usual_side(getattr(model, 'cfg', None))


def usual_side(cfg: Config | None) -> int | None:
    """Long side of the pictures that a config tests on, where it says so.

    Args:
        cfg: whose test pipeline resizes pictures to it (``PILResizeLongSide``), or
            whose data set has pictures of one long side (``METAINFO['long_side']``).
    """
    loader = (cfg or {}).get('test_dataloader') or (cfg or {}).get('train_dataloader')
    dataset = (loader or {}).get('dataset') or {}
    for step in dataset.get('pipeline') or ():
        low, high = step.get('side_range', (0, 1))
        if step.get('type') == 'PILResizeLongSide' and low == high:
            return int(low)
    kind = class_of(dataset['type'], DATASETS) if 'type' in dataset else None
    meta = {**getattr(kind, 'METAINFO', {}), **dataset.get('metainfo', {})}
    return meta.get('long_side')


def shrunk_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(H, W) that :func:`shrunk_to` gives a picture of a size."""
    if side is None or max(size) <= side:
        return size
    factor = side / max(size)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def shrunk_to(pixels: np.ndarray, side: int | None) -> np.ndarray:
    """A picture whose long side is at most ``side`` pixels; smaller ones stay.

    Args:
        pixels: (H, W, N) uint8.
        side: see :func:`side_for`; ``None``: the picture stays.
    """
    if side is None or max(pixels.shape[:2]) <= side:
        return pixels
    height, width = shrunk_size(pixels.shape[:2], side)
    return np.asarray(to_image(pixels).resize((width, height), Resampling.BICUBIC))


def say_shrunk(
    model: nn.Module, side: int | None, size: tuple[int, int], asked: bool
) -> None:
    """Say once for a model that photos are shrunk, and how to leave them.

    Args:
        model: from :func:`.init_model`.
        side: see :func:`side_for`.
        size: (H, W) of a photo.
        asked: whether the user has named the side.
    """
    stays = side is None or max(size) <= side
    if asked or stays or model.__dict__.get('_said_shrunk'):
        return
    model.__dict__['_said_shrunk'] = True
    print_log(
        f'photos are shrunk to a long side of {side} pixels, as the network knows '
        'them; masks keep the size of the photo (test_cfg.input.long_side=N: '
        'another side, None: as they are)',
        'current',
    )
