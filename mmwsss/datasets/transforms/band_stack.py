# Licensed under Apache-2.0.
"""Pictures of any number of bands, with the methods of Pillow that transforms use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from PIL import Image

#: what :func:`to_image` gives
AnyImage = Any


class BandStack:
    """Grey pictures of one size, 8 bits each, that are changed together.

    Pillow has no picture of five bands; a filter of it works on each band alone anyway.

    Args:
        bands: Pillow images of mode L, one a band.
    """

    def __init__(self, bands: Iterable[Image.Image]) -> None:
        self.bands = tuple(bands)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow has it."""
        return self.bands[0].size

    def each(self, change: Callable[[Image.Image], Image.Image]) -> BandStack:
        """The stack of the changed bands."""
        return BandStack(map(change, self.bands))

    def resize(self, size: tuple[int, int], resample: int) -> BandStack:
        """Pillow's ``resize``."""
        return self.each(lambda band: band.resize(size, resample))

    def crop(self, box: tuple[int, int, int, int]) -> BandStack:
        """Pillow's ``crop``."""
        return self.each(lambda band: band.crop(box))

    def transpose(self, method: Image.Transpose) -> BandStack:
        """Pillow's ``transpose``."""
        return self.each(lambda band: band.transpose(method))

    def filter(self, kernel: Any) -> BandStack:
        """Pillow's ``filter``."""
        return self.each(lambda band: band.filter(kernel))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """(H, W, N) uint8."""
        return np.stack([np.asarray(band) for band in self.bands], -1).astype(
            dtype or np.uint8, copy=False
        )


def to_image(array: np.ndarray) -> AnyImage:
    """(H, W, N) uint8 as a Pillow image (N = 3, RGB) or a :class:`BandStack`."""
    if array.shape[2] == 3:
        return Image.fromarray(array)
    return BandStack(Image.fromarray(band) for band in np.moveaxis(array, -1, 0))
