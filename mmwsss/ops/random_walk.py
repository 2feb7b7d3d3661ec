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
import torch.nn.functional as F
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_iterations,
    check_maps,
    check_same_device,
    check_same_size,
    check_sigma,
    compute_dtype,
)
from ._schema import kernels

__all__ = ['disc_offsets', 'path_affinity', 'random_walk']

MAX_SQUARINGS = 20


def disc_offsets(radius: int) -> list[int]:
    """Neighbours nearer than ``radius``, in the order of :func:`path_affinity`.

    Args:
        radius: In pixels, >= 1; 1 leaves the pixel itself alone.

    Returns:
        (y, x) of the K neighbours, one after the other: those below (in the same
        row: to the right) row by row, then their opposites in the same order,
        then the pixel itself. K = 69 for radius 5.
    """
    forward = _forward_offsets(radius)
    backward = [(-y, -x) for y, x in forward]
    return [step for pair in [*forward, *backward, (0, 0)] for step in pair]


def path_affinity(edge: Tensor, radius: int = 5) -> Tensor:
    r"""Affinity of each pixel with its neighbours: no strong edge in between.

    .. math:: a_{ij} = 1 - \max_{p \in \text{path}(i, j)} \text{edge}_p

    The path are the pixels of the bounding box of i and j, both included, whose
    distance to the line through i and j is below 1. Differentiable.

    Args:
        edge: (B, 1, h, w) or (B, h, w), probability of an edge, 0..1. Half
            precision is computed in float32.
        radius: Neighbours nearer than this, in pixels, >= 1.

    Returns:
        (B, K, h, w), float32 (float64 for a float64 edge), neighbours in the
        order of :func:`disc_offsets`. Symmetric: both ends of a pair hold the
        same value. 0 with what lies outside the grid, 1 with the pixel itself.

    Raises:
        ValueError: Wrong rank, dtype, empty size or radius; values that are not
            finite or not in 0..1 (CPU only).
    """
    edge = _check_edge(edge)
    offsets = _forward_offsets(radius)
    with torch.autocast(edge.device.type, enabled=False):
        edge = edge.to(compute_dtype(edge))
        forward = _path_affinity(edge, offsets, radius - 1)
        backward = [_shift(a, y, x) for a, (y, x) in zip(forward, offsets)]
        return torch.cat([*forward, *backward, torch.ones_like(edge)], dim=1)


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
    edge = _check_edge(edge)
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
        # Symmetric: what a column of T sums are the weights of one pixel.
        weights = weights / weights.sum(dim=1, keepdim=True)
        start = (cam * (1 - edge)).contiguous()
        offsets = disc_offsets(radius)
        return kernels.propagate(weights, start, offsets, 2**num_squarings)


def _check_edge(edge: Tensor) -> Tensor:
    """The edge map as (B, 1, h, w)."""
    if isinstance(edge, Tensor) and edge.dim() == 3:
        edge = edge[:, None]
    check_maps('edge', edge)
    if edge.shape[1] != 1:
        raise ValueError(f'edge must have one channel, got {tuple(edge.shape)}')
    check_finite(edge=edge)
    if can_inspect(edge) and not bool(((edge >= 0) & (edge <= 1)).all()):
        raise ValueError('edge must lie in 0..1; take the sigmoid of logits first')
    return edge


def _forward_offsets(radius: int) -> list[tuple[int, int]]:
    """One (y, x) of each pair of opposites in the disc, without the centre."""
    check_iterations('radius', radius)
    if radius < 1:
        raise ValueError(f'radius must be an integer >= 1, got {radius}')
    steps = range(1 - radius, radius)
    return [
        (y, x)
        for y in range(radius)
        for x in steps
        if (y > 0 or x > 0) and y * y + x * x < radius * radius
    ]


def _path(y: int, x: int) -> list[tuple[int, int]]:
    """Pixels from (0, 0), left out, to (y, x), y >= 0, near the line."""
    columns = range(min(0, x), max(0, x) + 1)
    return [
        (i, j)
        for i in range(y + 1)
        for j in columns
        if (i, j) != (0, 0) and (y * j - x * i) ** 2 < y * y + x * x
    ]


def _path_affinity(
    edge: Tensor, offsets: list[tuple[int, int]], pad: int
) -> list[Tensor]:
    """(B, 1, h, w) for each offset: a running maximum of shifted views."""
    height, width = edge.shape[-2:]
    padded = F.pad(edge, (pad, pad, 0, pad), value=1.0)
    result = []
    for offset in offsets:
        strongest = edge
        for y, x in _path(*offset):
            view = padded[..., y : y + height, pad + x : pad + x + width]
            strongest = torch.maximum(strongest, view)
        result.append(1 - strongest)
    return result


def _shift(maps: Tensor, y: int, x: int) -> Tensor:
    """Moved by (y, x), y >= 0, with zeros coming in: the other end of a pair."""
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (max(x, 0), max(-x, 0), y, 0))
    return padded[..., :height, max(-x, 0) : max(-x, 0) + width]
