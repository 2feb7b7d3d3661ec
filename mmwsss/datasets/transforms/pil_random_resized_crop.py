# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_stack import to_image
from .fields import crop_fields, resize_fields, set_image
from .number_pairs import height_width, pair


@TRANSFORMS.register_module()
class PILRandomResizedCrop(BaseTransform):
    """Cut a part of random area and aspect out and resize it (torchvision's rule).

    Changed keys: ``img``, ``img_shape``, all fields (see :mod:`.fields`). Added
    key: ``valid_box``, the whole picture.

    Args:
        size: side in pixels, or ``(height, width)``.
        area: range of the part's share of the image.
        aspect: range of its width / height, log-uniform.
        resample: filter of the image: nearest, bilinear or bicubic.
        align_corners: how score maps are resized.
    """

    def __init__(
        self,
        size: int | tuple[int, int],
        area: tuple[float, float] = (0.08, 1.0),
        aspect: tuple[float, float] = (3 / 4, 4 / 3),
        resample: str = 'bicubic',
        align_corners: bool = True,
    ) -> None:
        F.interpolation(resample)
        self.size = height_width(size)
        self.area = pair(area)
        self.aspect = pair(aspect)
        self.resample = resample
        self.align_corners = align_corners

    def transform(self, results: dict) -> dict:
        """Cut and resize the image and its fields."""
        img = results['img']
        box = draw.draw_area_box(random, img.shape[:2], self.area, self.aspect)
        y0, y1, x0, x1 = box
        crop_fields(results, (y1 - y0, x1 - x0), (0, 0), (y0, x0))
        resize_fields(results, self.size, self.align_corners, self.resample)
        results['valid_box'] = (0, self.size[0], 0, self.size[1])
        return set_image(
            results, F.resized_crop(to_image(img), box, self.size, self.resample)
        )
