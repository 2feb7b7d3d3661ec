# Licensed under Apache-2.0.
"""What a labeler gives."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PseudoLabel(NamedTuple):
    """Pseudo labels of a batch.

    Attributes:
        ids: (B, H, W) int64 class ids: 0 background, 1..C, 255 ignored.
        soft: (B, K + 1, H, W) float32 probabilities, background first, then the K
            classes that each image holds; or ``None``.
        confidence: (B, H, W) float32 in [0, 1], or ``None``.
    """

    ids: Tensor
    soft: Tensor | None = None
    confidence: Tensor | None = None
