# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_stack import to_image
from .fields import set_image


@TRANSFORMS.register_module()
class PILRandomBlur(BaseTransform):
    """Blur with PIL's Gaussian with a probability.

    Changed key: ``img``.

    Args:
        prob: probability.
        radius: range of the uniform radius in pixels.
    """

    def __init__(self, prob: float, radius: tuple[float, float] = (0.1, 2.0)) -> None:
        self.prob = prob
        self.radius = tuple(radius)

    def transform(self, results: dict) -> dict:
        """Change the image."""
        if not draw.chance(random, self.prob):
            return results
        return set_image(
            results,
            F.blur_image(to_image(results['img']), random.uniform(*self.radius)),
        )
