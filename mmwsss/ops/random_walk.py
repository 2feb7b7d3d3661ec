# Licensed under Apache-2.0.
"""Random walk of class scores, stopped by an edge map.

Source: Ahn and Kwak, "Learning Pixel-Level Semantic Affinity with Image-Level
Supervision for Weakly Supervised Semantic Segmentation" (AffinityNet, CVPR
2018), section 3.3: the walk. Ahn, Cho and Kwak, "Weakly Supervised Learning of
Instance Segmentation with Inter-Pixel Relations" (IRNet, CVPR 2019), section
4.2: affinity from an edge map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import (
    check_finite,
    check_iterations,
    check_maps,
    check_same_device,
    check_same_size,
    check_sigma,
    compute_dtype,
)
from ._schema import kernels
from .paths import check_edge, disc_offsets, path_affinity

__all__ = ['random_walk']

MAX_SQUARINGS = 20


def random_walk(
    cam: Tensor,
    edge: Tensor,
    radius: int = 5,
    beta: float = 10,
    num_squarings: int = 8,
) -> Tensor:
    r"""Spread class scores within the regions that edges enclose.

    .. math::
        \text{walked} = \big(\text{cam} \odot (1 - \text{edge})\big)
        T^{2^{\text{num\_squarings}}},
        \quad T_{ij} = \frac{a_{ij}^\beta}{\sum_l a_{lj}^\beta}

    The published programs square the dense (hw, hw) matrix T. Here every pixel
    takes :math:`2^\text{num\_squarings}` times the weighted mean of the scores
    in its disc: the same result in O(hw) memory.

    Args:
        cam: (B, C, h, w) class scores.
        edge: (B, 1, h, w) or (B, h, w), probability of an edge, 0..1.
        radius: See :func:`path_affinity`.
        beta: Power of the affinity, > 0: the larger, the less crosses an edge.
        num_squarings: Binary logarithm of the number of steps, >= 0.

    Returns:
        (B, C, h, w), float32 (float64 when an input is float64), not
        normalised. Differentiable in both.

    Raises:
        ValueError: Shapes, devices, dtypes or parameters that don't fit; values
            that are not finite or not in 0..1 (CPU only).
    """
    check_maps('cam', cam)
    edge = check_edge(edge)
    check_maps('edge', edge, batch=len(cam))
    check_same_size(edge, cam, 'an edge map', 'cam')
    check_same_device(cam=cam, edge=edge)
    check_finite(cam=cam)
    check_iterations('num_squarings', num_squarings)
    if num_squarings > MAX_SQUARINGS:
        raise ValueError(
            f'num_squarings must be <= {MAX_SQUARINGS}, got {num_squarings}: that '
            f'many doublings of the number of steps'
        )
    check_sigma(beta=beta)
    with torch.autocast(cam.device.type, enabled=False):
        dtype = compute_dtype(cam, edge)
        cam, edge = cam.to(dtype), edge.to(dtype)
        weights = path_affinity(edge, radius) ** beta
        # Symmetric: what a column of T sums are the weights of one pixel. In double
        # precision: a sum that is rounded to float32 errs once for each step.
        total = weights.sum(dim=1, keepdim=True, dtype=torch.float64)
        weights = (weights.double() / total).to(dtype)
        start = (cam * (1 - edge)).contiguous()
        offsets = disc_offsets(radius)
        return kernels.propagate(weights, start, offsets, 2**num_squarings)
