# Licensed under Apache-2.0.
"""Maps of classes, and which class each channel stands for."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ClassMaps(NamedTuple):
    """The fused CAM of one image, of the classes that it holds.

    Attributes:
        maps: (K, h, w) float32 in [0, 1].
        ids: (K,) int64 class ids 1..C in ascending order.
    """

    maps: Tensor
    ids: Tensor
