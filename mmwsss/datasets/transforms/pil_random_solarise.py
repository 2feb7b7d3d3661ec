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
class PILRandomSolarise(BaseTransform):
    """Invert bright values with a probability.

    Changed key: ``img``.

    Args:
        prob: probability.
        threshold: values from here on are inverted.
    """

    def __init__(self, prob: float, threshold: int = 128) -> None:
        self.prob = prob
        self.threshold = threshold

    def transform(self, results: dict) -> dict:
        """Change the image."""
        if not draw.chance(random, self.prob):
            return results
        return set_image(
            results, F.solarise_image(to_image(results['img']), self.threshold)
        )
