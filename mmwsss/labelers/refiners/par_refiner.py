# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor

from mmwsss.cam import resize, truncate_to_unit
from mmwsss.ops import PAR
from mmwsss.registry import MODELS


@MODELS.register_module(name='PAR')
class PARRefiner(PAR):
    """Pixel-adaptive refinement of probabilities (ToCo, AFA, FSR).

    Args:
        downscale: it is published to work on maps of the picture's size divided by
            this.
        **settings: see :class:`mmwsss.ops.PAR`.
    """

    #: channels don't see each other: stacks of maps go through at once
    per_channel = True

    def __init__(self, *args: Any, downscale: int = 2, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.downscale = downscale

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        """Refine.

        Args:
            pixels: (B, 3, H, W) RGB grey levels 0..255; truncated to whole levels and
                then resized to the grid of the maps, as the releases do.
            prob: (B, L, h, w).

        Returns:
            (B, L, h, w) float32.
        """
        picture = resize(truncate_to_unit(pixels), tuple(prob.shape[-2:]))
        return super().forward(picture, prob)
