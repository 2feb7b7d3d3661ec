# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_stack import to_image
from .fields import resize_fields, set_image


@TRANSFORMS.register_module()
class PILResizeLongSide(BaseTransform):
    """Resize so that the longer side is a random whole number of pixels.

    Changed keys: ``img``, ``img_shape``, all fields (see :mod:`.fields`).

    Args:
        side_range: range of the longer side, both ends included.
        resample: filter of the image: nearest, bilinear or bicubic.
        align_corners: how score maps are resized.
    """

    def __init__(
        self,
        side_range: tuple[int, int],
        resample: str = 'bicubic',
        align_corners: bool = True,
    ) -> None:
        F.interpolation(resample)
        self.side_range = tuple(side_range)
        self.resample = resample
        self.align_corners = align_corners

    def transform(self, results: dict) -> dict:
        """Resize the image and its fields."""
        target = random.randint(*self.side_range)
        img = F.resize_long_side(to_image(results['img']), target, self.resample)
        resize_fields(results, img.size[::-1], self.align_corners, self.resample)
        return set_image(results, img)
