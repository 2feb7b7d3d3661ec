# Licensed under Apache-2.0.
from __future__ import annotations

import random
from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_stack import to_image
from .fields import resize_fields, set_image


@TRANSFORMS.register_module()
class PILRandomScale(BaseTransform):
    """Resize by a random factor, both sides truncated to whole pixels.

    Changed keys: ``img``, ``img_shape``, all fields (see :mod:`.fields`).

    Args:
        scale_range: range of the uniform factor.
        factors: the factor is one of these instead (DeepLab-v2).
        resample: filter of the image: nearest, bilinear or bicubic.
        align_corners: how score maps are resized.
    """

    def __init__(
        self,
        scale_range: tuple[float, float] = (0.5, 2.0),
        resample: str = 'bilinear',
        align_corners: bool = True,
        factors: Sequence[float] = (),
    ) -> None:
        F.interpolation(resample)
        self.scale_range = tuple(scale_range)
        self.factors = tuple(factors)
        self.resample = resample
        self.align_corners = align_corners

    def transform(self, results: dict) -> dict:
        """Resize the image and its fields."""
        factor = (
            random.choice(self.factors)
            if self.factors
            else random.uniform(*self.scale_range)
        )
        img = F.scale_image(to_image(results['img']), factor, self.resample)
        resize_fields(results, img.size[::-1], self.align_corners, self.resample)
        return set_image(results, img)
