# Licensed under Apache-2.0.
"""Weighted sums over the neighbours of each pixel: shifted views of a padded map.

The arithmetic of PAR and of random walks: they differ in offsets and weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['propagate', 'propagate_backward', 'shifted']


def propagate(
    weights: Tensor, maps: Tensor, offsets: Sequence[int], num_iters: int
) -> Tensor:
    """``num_iters`` >= 1 weighted sums over the neighbours, (B, C, H, W).

    Args:
        weights: (B, K, H, W).
        maps: (B, C, H, W), same type.
        offsets: (y, x) of the K neighbours, one after the other.
        num_iters: Number of iterations; the border is replicated in each.
    """
    if maps.is_cuda or len(maps) == 1:
        return _propagate(weights, maps, offsets, num_iters)
    # One image at a time fits the caches of a CPU: a quarter faster.
    pairs = zip(weights.split(1), maps.split(1), strict=True)
    return torch.cat([_propagate(w, m, offsets, num_iters) for w, m in pairs])


def propagate_backward(
    grad: Tensor, weights: Tensor, maps: Tensor, offsets: Sequence[int], num_iters: int
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the weights and the maps.

    The maps of all iterations are computed again instead of kept.
    """
    steps = [maps]
    for _ in range(num_iters - 1):
        steps.append(_propagate(weights, steps[-1], offsets, 1))
    grad_weights = torch.zeros_like(weights)
    offsets = _within(offsets, maps.shape[-2:])
    pad = (max(map(abs, offsets)),) * 4
    for step in reversed(steps):
        padded = F.pad(torch.zeros_like(step), pad)
        targets = _windows(padded, offsets, step.shape[-2:])
        sources = shifted(step, offsets)
        for k, (target, source) in enumerate(zip(targets, sources, strict=True)):
            grad_weights[:, k] += (grad * source).sum(dim=1)
            target.addcmul_(weights[:, k : k + 1], grad)
        # Border pixels stand for the padding: they collect its gradient.
        grad = torch.ops.aten.replication_pad2d_backward(padded, step, pad)
    return grad_weights, grad


def shifted(maps: Tensor, offsets: Sequence[int]) -> Iterator[Tensor]:
    """K shifted (B, C, H, W) views of the map, padded once by replication."""
    offsets = _within(offsets, maps.shape[-2:])
    padded = F.pad(maps, (max(map(abs, offsets)),) * 4, mode='replicate')
    return _windows(padded, offsets, maps.shape[-2:])


def _within(offsets: Sequence[int], size: Sequence[int]) -> list[int]:
    """Offsets no longer than the map: beyond its border all pixels are the same."""
    limits = [length - 1 for length in size] * (len(offsets) // 2)
    return [max(-n, min(o, n)) for o, n in zip(offsets, limits, strict=True)]


def _windows(
    padded: Tensor, offsets: Sequence[int], size: Sequence[int]
) -> Iterator[Tensor]:
    pad, (height, width) = max(map(abs, offsets)), size
    for y, x in zip(offsets[::2], offsets[1::2], strict=True):
        rows = slice(pad + y, pad + y + height)
        yield padded[..., rows, pad + x : pad + x + width]


def _propagate(
    weights: Tensor, maps: Tensor, offsets: Sequence[int], num_iters: int
) -> Tensor:
    for _ in range(num_iters):
        result = torch.zeros_like(maps)
        for k, neighbour in enumerate(shifted(maps, offsets)):
            result.addcmul_(weights[:, k : k + 1], neighbour)
        maps = result
    return maps
