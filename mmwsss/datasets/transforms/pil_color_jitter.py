# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_checks import refuse_bands
from .band_stack import to_image
from .fields import set_image


@TRANSFORMS.register_module()
class PILColorJitter(BaseTransform):
    """Brightness, contrast, saturation and hue in random order.

    Changed key: ``img``. Brightness and contrast are changed of any bands, each alone.

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

    def refuse_bands(self, count: int) -> None:
        """Refuse pictures of another number of bands than 3.

        Raises:
            UserError: if saturation or hue is to change.
        """
        if any(self.strengths[2:]):
            refuse_bands(
                'PILColorJitter', count, 'set saturation=0 and hue=0, or take it out'
            )

    def transform(self, results: dict) -> dict:
        """Change the colours."""
        if not draw.chance(random, self.prob):
            return results
        self.refuse_bands(results['img'].shape[2])
        steps = draw.draw_jitter(random, *self.strengths)
        img = F.color_jitter(to_image(results['img']), steps)
        return set_image(results, img)
