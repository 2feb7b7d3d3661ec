# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform
from PIL import Image

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .fields import set_image


@TRANSFORMS.register_module()
class PILColorJitter(BaseTransform):
    """Brightness, contrast, saturation and hue in random order.

    Changed key: ``img``.

    Args:
        brightness, contrast, saturation: strength v of a factor U(1 - v, 1 + v).
        hue: strength v of a shift U(-v, v) of the colour circle.
        prob: probability that anything is done.
    """

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        prob: float = 1.0,
    ) -> None:
        if not 0 <= hue <= 0.5:
            raise ValueError(f'hue must be in [0, 0.5], is {hue}')
        self.strengths = (brightness, contrast, saturation, hue)
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Change the colours."""
        if not draw.chance(random, self.prob):
            return results
        steps = draw.draw_jitter(random, *self.strengths)
        img = F.color_jitter(Image.fromarray(results['img']), steps)
        return set_image(results, img)
