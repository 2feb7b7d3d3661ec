# Licensed under Apache-2.0.
"""From data samples to the arrays that panels are drawn of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from mmwsss.io.pictures.levels import shown_channels
from mmwsss.io.pictures.picture_rule import PictureRule

_FIELDS = {
    'cam': ('pred_cam', 'score'),
    'aux_cam': ('pred_aux_cam', 'score'),
    'lam': ('pred_lam', 'score'),
    'cam_lam': ('pred_cam_lam', 'score'),
    'pseudo': ('pred_pseudo', 'data'),
    'seg': ('pred_sem_seg', 'data'),
    'truth': ('gt_sem_seg', 'data'),
}


def sample_outputs(sample: Any, truth: bool = True) -> dict[str, np.ndarray]:
    """The maps of a ``SegDataSample`` that :func:`sample_tiles` draws.

    Args:
        sample: Prediction of any segmentor.
        truth: Include ``gt_sem_seg`` where it is there.

    Returns:
        (H, W) arrays by name: ``cam``, ``aux_cam``, ``lam``, ``cam_lam`` (float32),
        ``pseudo``, ``seg``, ``truth`` (integer).
    """
    found = {}
    for name, (field, key) in _FIELDS.items():
        if field in sample and (truth or name != 'truth'):
            plane = getattr(sample, field).get(key)
            if plane is not None:
                found[name] = plane.detach().squeeze(0).cpu().numpy()
    return found


def image_labels(sample: Any) -> list[int]:
    """Class ids (1..C) of the image-level labels, empty where unknown."""
    channels = getattr(sample, 'gt_labels', None)
    if channels is None and 'gt_score' in sample:
        channels = sample.gt_score.nonzero().flatten().tolist()
    return [int(c) + 1 for c in channels or ()]


def to_picture(image: Tensor, picture: Mapping[str, Any] | None = None) -> np.ndarray:
    """A tensor (N, H, W) in 0..255 as an (H, W, 3) uint8 array.

    Args:
        image: RGB, or other bands.
        picture: entry ``picture`` of the data set's metainfo, which may say what bands
            are shown.
    """
    channels = shown_channels(len(image), PictureRule.of(picture))
    image = (
        image if len(image) == 3 and channels == (0, 1, 2) else image[list(channels)]
    )
    return image.detach().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
