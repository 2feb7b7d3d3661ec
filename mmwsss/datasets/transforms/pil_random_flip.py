# Licensed under Apache-2.0.
from __future__ import annotations

import random

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .fields import flip_fields


@TRANSFORMS.register_module()
class PILRandomFlip(BaseTransform):
    """Mirror left and right with a probability.

    Changed keys: ``img``, all fields (see :mod:`.fields`), ``valid_box``.

    Args:
        prob: probability.
        mirror_box: mirror ``valid_box`` too. False gives the published behaviour
            of ToCo, whose box is then off.
    """

    def __init__(self, prob: float = 0.5, mirror_box: bool = True) -> None:
        self.prob = prob
        self.mirror_box = mirror_box

    def transform(self, results: dict) -> dict:
        """Mirror the image, its fields and its box."""
        if not draw.chance(random, self.prob):
            return results
        results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
        flip_fields(results)
        if self.mirror_box and results.get('valid_box') is not None:
            results['valid_box'] = F.mirror_box(
                results['valid_box'], results['img'].shape[1]
            )
        return results
