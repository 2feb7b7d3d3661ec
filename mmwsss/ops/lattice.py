# Licensed under Apache-2.0.
"""Permutohedral lattice: splat, blur, slice (built in ``lattice_build.py``).

Source: Adams, Baek, Davis, "Fast High-Dimensional Filtering Using the
Permutohedral Lattice" (Eurographics 2010), with the conventions of the dense
CRF of Kraehenbuehl and Koltun (NeurIPS 2011), which published numbers rest on:
only vertices that some pixel touches exist, a missing neighbour counts 0, the
blur isn't renormalised, a pixel's own contribution is kept.

Vertices are found by sorting packed integer keys instead of hashing, and every
sum is a gather in a fixed order: results are reproducible bit by bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['Lattice', 'add_filtered', 'filter_with_lattice']

_BLOCK_BYTES = 24 << 20


@dataclass(frozen=True)
class Lattice:
    """The sparse filter of N pixels with d features and M vertices.

    Attributes:
        vertices: (N, d + 1) int32, vertices of the simplex around each pixel.
        slice_weights: (N, d + 1) float32, barycentric weights times the scale
            1 / (1 + 2^-d) of the result.
        splat_pixels: (N * (d + 1),) int32, pixels ordered by vertex.
        splat_weights: (N * (d + 1),) float32, their barycentric weights.
        splat_offsets: (M + 1,) int32, where the pixels of each vertex begin;
            the last entry makes a vertex M without pixels, whose value is 0.
        neighbours: (d + 1, M + 1, 2) int32, both neighbours along each
            direction, M where there is none.
    """

    vertices: Tensor
    slice_weights: Tensor
    splat_pixels: Tensor
    splat_weights: Tensor
    splat_offsets: Tensor
    neighbours: Tensor

    @property
    def num_pixels(self) -> int:
        """N, over all images of the batch."""
        return self.vertices.shape[0]

    @property
    def num_vertices(self) -> int:
        """M, over all images of the batch."""
        return self.splat_offsets.shape[0] - 1

    def rescaled(self, factor: Tensor, weight: float = 1.0) -> Lattice:
        """The filter with ``factor`` (N,) before and after it, times ``weight``."""
        return replace(
            self,
            slice_weights=self.slice_weights * (factor * weight).unsqueeze(1),
            splat_weights=self.splat_weights * factor[self.splat_pixels],
        )


def filter_with_lattice(lattice: Lattice, values: Tensor) -> Tensor:
    """Splat, blur and slice; linear in the values and differentiable.

    Args:
        lattice: From ``build_lattice``.
        values: (N, C) float32 or float64.

    Returns:
        (N, C), not normalised.
    """
    return _LatticeFilter.apply(values, lattice, False)


def add_filtered(out: Tensor, lattice: Lattice, values: Tensor) -> Tensor:
    """``out += filter_with_lattice(lattice, values)`` in place, no autograd.

    Args:
        out: (N, C), changed.
        lattice: From ``build_lattice``.
        values: (N, C), same type as ``out``.

    Returns:
        ``out``.
    """
    return _add_filtered(out, lattice, values, reverse=False)


class _LatticeFilter(torch.autograd.Function):
    """The transpose of the filter is the filter with the blur order reversed."""

    @staticmethod
    def forward(ctx, values: Tensor, lattice: Lattice, reverse: bool) -> Tensor:
        ctx.lattice, ctx.reverse = lattice, reverse
        out = torch.zeros_like(values, memory_format=torch.contiguous_format)
        return _add_filtered(out, lattice, values.detach(), reverse)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        # Applied as a Function again: double backward works.
        grad = _LatticeFilter.apply(grad, ctx.lattice, not ctx.reverse)
        return grad, None, None


def _add_filtered(
    out: Tensor, lattice: Lattice, values: Tensor, reverse: bool
) -> Tensor:
    """Filter block after block of channels into ``out``."""
    channels = values.shape[1]
    block = channels if values.is_cuda else _channel_block(lattice, values)
    for start in range(0, channels, block):
        part = slice(start, start + block)
        out[:, part] += _splat_blur_slice(lattice, values[:, part], reverse)
    return out


def _channel_block(lattice: Lattice, values: Tensor) -> int:
    """Channels at a time on a CPU, a multiple of 8 (vector registers).

    Blocks beyond the allocator's limit of 32 MB are mapped and unmapped by
    the operating system for every step, which takes longer than the filter.
    """
    rows = max(lattice.num_pixels, lattice.num_vertices + 1)
    fitting = _BLOCK_BYTES // (rows * values.element_size())
    return max(8, fitting // 8 * 8)


def _splat_blur_slice(lattice: Lattice, values: Tensor, reverse: bool) -> Tensor:
    table = F.embedding_bag(
        lattice.splat_pixels,
        values.contiguous(),
        lattice.splat_offsets,
        mode='sum',
        per_sample_weights=lattice.splat_weights.to(values),
    )
    pairs = lattice.neighbours.flip(0) if reverse else lattice.neighbours
    for pair in pairs:
        table.add_(F.embedding_bag(pair, table, mode='sum'), alpha=0.5)
    return F.embedding_bag(
        lattice.vertices,
        table,
        mode='sum',
        per_sample_weights=lattice.slice_weights.to(values),
    )
