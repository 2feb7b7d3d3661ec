# Licensed under Apache-2.0.
from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS

from .band_checks import refuse_bands

HUES = 180  # OpenCV counts hue in steps of two degrees


def shift_hsv(img: np.ndarray, shifts: Sequence[float], rgb: bool = True) -> np.ndarray:
    """Add a number to each channel of OpenCV's 8-bit HSV.

    Args:
        img: (H, W, 3) uint8.
        shifts: of hue (which wraps around at 180), saturation and value (clipped).
        rgb: whether the channels are R, G, B; else B, G, R.
    """
    there = cv2.COLOR_RGB2HSV if rgb else cv2.COLOR_BGR2HSV
    back = cv2.COLOR_HSV2RGB if rgb else cv2.COLOR_HSV2BGR
    hsv = cv2.cvtColor(img, there).astype(np.float32) + np.asarray(shifts, np.float32)
    hsv = np.rint(hsv)
    hsv[..., 0] %= HUES
    return cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), back)


@TRANSFORMS.register_module()
class HSVShift(BaseTransform):
    """Shift hue, saturation and value, each by a random number of its own.

    Changed key: ``img``.

    Args:
        limit: of the uniform shifts, in 8-bit steps, both ways.
        rgb: order of the image's channels, see :func:`shift_hsv`.

    Raises:
        ValueError: if ``limit`` is negative.
    """

    def __init__(self, limit: float = 10, rgb: bool = True) -> None:
        if limit < 0:
            raise ValueError(f'limit must not be negative, is {limit}')
        self.limit = limit
        self.rgb = rgb

    def refuse_bands(self, count: int) -> None:
        """Refuse pictures of another number of bands than 3.

        Raises:
            UserError: always: they have no hue.
        """
        refuse_bands('HSVShift', count, 'take it out of the pipeline')

    def transform(self, results: dict) -> dict:
        """Shift the colours."""
        self.refuse_bands(results['img'].shape[2])
        shifts = [random.uniform(-self.limit, self.limit) for _ in range(3)]
        results['img'] = shift_hsv(results['img'], shifts, self.rgb)
        return results
