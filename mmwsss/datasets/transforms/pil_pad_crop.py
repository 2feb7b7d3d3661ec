# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .fields import crop_fields
from .number_pairs import height_width


@TRANSFORMS.register_module()
class PILPadCrop(BaseTransform):
    """Paste at a random place of a canvas, cut a random crop, record the box.

    Changed keys: ``img``, ``img_shape``, all fields (see :mod:`.fields`). Added
    key: ``valid_box`` (y0, y1, x0, x1), the real pixels of the crop. Where a
    method pads after normalising (zeros, so the mean colour), let
    ``WeakDataPreProcessor(zero_padding=...)`` clear what is outside the box.

    Args:
        crop_size: side in pixels, or ``(height, width)``.
        fill: value of the image outside, or one a channel.
        ignore_index: value of label maps outside.
        random_pad: where an image smaller than the crop lies is random; else it lies
            in the upper left corner (DeepLab-v2).
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        fill: int | tuple[int, int, int] = 0,
        ignore_index: int = 255,
        random_pad: bool = True,
    ) -> None:
        self.crop_size = height_width(crop_size)
        self.fill = fill
        self.ignore_index = ignore_index
        self.random_pad = random_pad

    def transform(self, results: dict) -> dict:
        """Pad and crop the image and its fields."""
        shape = results['img'].shape[:2]
        pad_yx, crop_yx = draw.draw_pad_crop(random, shape, self.crop_size)
        pad_yx = pad_yx if self.random_pad else (0, 0)
        place = (self.crop_size, pad_yx, crop_yx)
        results['img'] = F.pad_crop(results['img'], *place, fill=self.fill)
        crop_fields(results, *place, ignore_index=self.ignore_index)
        results['valid_box'] = F.crop_box(shape, *place)
        results['img_shape'] = self.crop_size
        return results
