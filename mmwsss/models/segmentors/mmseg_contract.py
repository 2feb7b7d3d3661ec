# Licensed under Apache-2.0.
"""What mmseg's own tools ask of a segmentor, beside training and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import resize
from mmwsss.structures import Features, StoredMaps

#: the axes that a mirrored picture is turned back along
AXES = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))


class MMSegContract(BaseSegmentor):
    """Base of our segmentors for what mmseg's tools read and call.

    Its ``SegTTAModel`` asks for ``out_channels`` and for outputs as the original
    picture lies; its benchmarks call the forward pass without samples.
    """

    num_classes: int
    cam_head: nn.Module
    decode_head: nn.Module

    @property
    def out_channels(self) -> int:
        """Channels of ``seg_logits``: C + 1."""
        return self.num_classes

    def encode(self, images: Tensor) -> Features:
        """What the heads read; a segmentor says how."""
        raise NotImplementedError

    def seg_logits(self, features: Features) -> Tensor:
        """The decoder's logits; a segmentor says how."""
        raise NotImplementedError

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """The backbone's maps."""
        return self.encode(inputs).maps

    def encode_decode(self, inputs: Tensor, batch_data_samples: Any = None) -> Tensor:
        """Segmentation logits (B, C + 1, H, W) at input size."""
        return resize(self.seg_logits(self.encode(inputs)), tuple(inputs.shape[-2:]))

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> tuple[Tensor, ...]:
        features = self.encode(inputs)
        heads = (self.cam_head, self.decode_head)
        return tuple(head(features.maps) for head in heads if head is not None)


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
