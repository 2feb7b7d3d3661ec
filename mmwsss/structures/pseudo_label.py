# Licensed under Apache-2.0.
"""What a labeler gives: class ids, and what they were decided on."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PseudoLabel(NamedTuple):
    """A pseudo label of a batch.

    Attributes:
        ids: (B, H, W) int64 class ids 0..C, 0 = background, 255 = ignored.
        soft: (B, K + 1, H, W) float32 maps that the ids were decided on, background
            first, then the K classes of the image labels; ``None`` where the rule has
            none. They need not sum to 1.
        confidence: (B, H, W) float32 in [0, 1], how sure the rule is of a pixel, or
            ``None`` where it doesn't say.
    """

    ids: Tensor
    soft: Tensor | None = None
    confidence: Tensor | None = None
