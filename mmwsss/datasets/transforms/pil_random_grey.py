# Licensed under Apache-2.0.
from __future__ import annotations

import random

from mmcv.transforms import BaseTransform
from PIL import Image

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_checks import refuse_bands
from .fields import set_image


@TRANSFORMS.register_module()
class PILRandomGrey(BaseTransform):
    """Make the image grey with a probability.

    Changed key: ``img``.

    Args:
        prob: probability.
    """

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def refuse_bands(self, count: int) -> None:
        """Refuse pictures of another number of bands than 3.

        Raises:
            UserError: always: they have no grey.
        """
        refuse_bands('PILRandomGrey', count, 'take it out of the pipeline')

    def transform(self, results: dict) -> dict:
        """Change the image."""
        if not draw.chance(random, self.prob):
            return results
        self.refuse_bands(results['img'].shape[2])
        return set_image(results, F.grey_image(Image.fromarray(results['img'])))
