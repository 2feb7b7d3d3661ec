# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.datasets.transforms import functional as F
from mmwsss.registry import TRANSFORMS

from .band_stack import AnyImage, to_image


def view_size(
    size: tuple[int, int], scale: float, rounding: int = 1
) -> tuple[int, int]:
    """``ceil(round(side * scale) / rounding) * rounding`` of both sides.

    ``round`` takes halves to the even neighbour (81 at one half gives 40, at three
    halves 122); at least ``rounding`` pixels are left.
    """
    height, width = (
        max(-(-round(side * scale) // rounding), 1) * rounding for side in size
    )
    return height, width


@TRANSFORMS.register_module()
class PILMultiScale(BaseTransform):
    """The image at several scales, as views for the prediction of CAMs.

    Published protocols resize the 8-bit image with PIL, from the original each time;
    a network that resizes normalised images gives other numbers.

    Required key: ``img``, which is removed. Added key: ``views``, ``scale_<s>`` → image
    (``scale_1`` among them, always).

    Args:
        scales: of both sides.
        rounding: sides are rounded (halves to even), then up to a multiple of this
            number. EPS: 1; SemFormer: 16.
        resample: filter: nearest, bilinear or bicubic.

    Raises:
        ValueError: if a number isn't positive, or a scale comes twice.
    """

    def __init__(
        self,
        scales: Sequence[float] = (0.5, 1.0, 1.5, 2.0),
        rounding: int = 1,
        resample: str = 'bicubic',
    ) -> None:
        F.interpolation(resample)
        wanted = {1.0, *map(float, scales)}
        if min(wanted) <= 0 or rounding < 1 or len(set(scales)) < len(scales):
            raise ValueError(
                'scales must be different positive numbers and rounding a positive '
                f'whole number, got scales={tuple(scales)}, rounding={rounding}'
            )
        self.scales = (1.0, *sorted(wanted - {1.0}))  # what is shown comes first
        self.rounding = rounding
        self.resample = resample

    def transform(self, results: dict) -> dict:
        """Make the views."""
        img = to_image(results.pop('img'))
        results['views'] = {
            f'scale_{scale:g}': self._view(img, scale) for scale in self.scales
        }
        return results

    def _view(self, img: AnyImage, scale: float) -> np.ndarray:
        size = view_size(img.size, scale, self.rounding)
        if size == img.size:
            return np.asarray(img)
        return np.asarray(img.resize(size, F.interpolation(self.resample)))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scales={self.scales}, '
            f'rounding={self.rounding}, resample={self.resample!r})'
        )
