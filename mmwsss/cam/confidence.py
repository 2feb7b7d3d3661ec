# Licensed under Apache-2.0.
"""How sure a prediction is of the class that it gives a pixel."""

from __future__ import annotations

from torch import Tensor


def confidence_map(prob: Tensor) -> Tensor:
    """The share of the likeliest class in each pixel's probabilities.

    Args:
        prob: (..., L, H, W), non-negative; their sum need not be 1 (refined ones).

    Returns:
        (..., H, W) float32 in [1 / L, 1]: 1 where no other class has a share.
    """
    prob = prob.float()
    return prob.amax(-3) / prob.sum(-3).clamp_min(1e-12)
