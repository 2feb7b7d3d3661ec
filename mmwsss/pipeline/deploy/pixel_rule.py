# Licensed under Apache-2.0.
"""How a network wants its pixels: order of the channels, mean, deviation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.model import ImgDataPreprocessor
from torch import Tensor, nn


class PixelRule(NamedTuple):
    """Mean and deviation of each channel, on 0..255, R before G before B.

    Attributes:
        mean: (N,) of the N bands.
        std: likewise, positive.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, model: nn.Module) -> PixelRule:
        """What a segmentor's data preprocessor does to pixels; nothing: 0 and 1."""
        found = model.data_preprocessor
        if not hasattr(found, 'mean'):
            return cls((0.0,) * 3, (1.0,) * 3)
        mean, std = (part.flatten().tolist() for part in (found.mean, found.std))
        if len(mean) == 1 and isinstance(found, ImgDataPreprocessor):  # one for all
            mean, std = mean * 3, std * 3
        order = slice(None, None, -1 if takes_bgr(model) else 1)
        return cls(tuple(mean[order]), tuple(std[order]))

    def normalise(self, pixels: Tensor) -> Tensor:
        """(B, N, H, W) on 0..255 → float32 of mean 0 and deviation 1."""
        mean, std = (torch.tensor(part).view(-1, 1, 1) for part in self)
        return (pixels.float() - mean) / std


def takes_bgr(model: nn.Module) -> bool:
    """Whether a network takes B, G, R.

    mmseg's pipelines load pictures so, and its preprocessor turns them or not; ours
    load R, G, B.
    """
    found = model.data_preprocessor
    return isinstance(found, ImgDataPreprocessor) and not found._channel_conversion
