# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmwsss.cam import resize, truncate_to_unit
from mmwsss.ops.par import DILATIONS, PAR
from mmwsss.registry import MODELS

from .refiner import Refiner


@MODELS.register_module(name=['PAR', 'par'])
class PARRefiner(PAR, Refiner):
    """Pixel-adaptive refinement as a refiner (AFA, CVPR 2022, section 3.3; ToCo, FSR).

    The releases hand the filter pictures in [0, 1] that were truncated to whole grey
    levels at full size and then resized. Labels depend on it in their last pixels, so
    it is done here, by the filter that needs it.

    Args:
        dilations: distances of the rings of neighbours, in pixels of the grid.
        num_iters: how often the maps are replaced by the mean of their neighbours, 0
            or more.
        w1: bandwidth of the affinity, > 0.
        w2: weight of the distance between pixels, >= 0.
        downscale: the grid that a labeler works on, in pixels of the picture, >= 1;
            published: 2.
        whole_levels: truncate the picture to whole grey levels and divide it by 255,
            as published. ``False``: the filter sees it as it is.

    Raises:
        ValueError: if a setting is out of range.
    """

    per_channel = True

    def __init__(
        self,
        dilations: Sequence[int] = DILATIONS,
        num_iters: int = 10,
        w1: float = 0.3,
        w2: float = 0.01,
        downscale: int = 2,
        whole_levels: bool = True,
    ) -> None:
        super().__init__(dilations, num_iters, w1, w2)
        if w1 <= 0 or w2 < 0:
            raise ValueError(f'w1 must be > 0 and w2 >= 0, got w1={w1} and w2={w2}')
        if not isinstance(downscale, int) or downscale < 1:
            raise ValueError(
                f'downscale must be a whole number >= 1, got {downscale!r}'
            )
        self.downscale, self.whole_levels = downscale, whole_levels

    def forward(self, pixels: Tensor, prob: Tensor) -> Tensor:
        """Refine ``prob`` (B, L, h, w) with pictures (B, 3, H, W) of levels 0..255.

        Returns:
            (B, L, h, w) float32. With ``w2`` > 0 the sum over L grows a little.
        """
        pixels = self.seen(pixels)
        return super().forward(resize(pixels, tuple(prob.shape[-2:])), prob)

    def seen(self, pixels: Tensor) -> Tensor:
        """What the filter sees of pictures (B, 3, H, W) of levels 0..255."""
        return truncate_to_unit(pixels) if self.whole_levels else pixels

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return (
            f'{super().extra_repr()}, downscale={self.downscale}, '
            f'whole_levels={self.whole_levels}'
        )
