# Licensed under Apache-2.0.
"""Predictions of mirrored pictures, as mmseg's test-time augmentation wants them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.structures import StoredMaps

#: the axes that a mirrored picture is turned back along
AXES = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))


def turned_back(samples: Sequence[SegDataSample]) -> list[SegDataSample]:
    """Predictions of pictures that a transform of mmseg mirrored, as those lay before.

    mmseg's contract of ``predict``: outputs are at the place and size of the original
    picture. A transform that mirrors says so in ``flip`` and ``flip_direction``.

    Args:
        samples: with predictions, which are replaced.
    """
    for sample in samples:
        if sample.metainfo.get('flip'):
            axes = AXES[sample.metainfo.get('flip_direction') or 'horizontal']
            for name in sample.all_keys():
                if name.startswith('pred_') or name in ('seg_logits', 'class_maps'):
                    _turn(sample, name, axes)
    return list(samples)


def _turn(sample: SegDataSample, name: str, axes: tuple[int, ...]) -> None:
    value = sample.get(name)
    if isinstance(value, PixelData):
        turned = {key: torch.flip(item, axes) for key, item in value.items()}
        value = PixelData(**turned)
    elif isinstance(value, dict):
        value = {
            stride: StoredMaps(torch.flip(stored.maps, axes), stored.ids)
            for stride, stored in value.items()
        }
    sample.set_field(value, name)
