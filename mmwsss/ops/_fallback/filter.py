# Licensed under Apache-2.0.
"""Splat, blur and slice in PyTorch: all three are sums over bags of rows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['add_filtered', 'lattice_filter']

_BLOCK_BYTES = 24 << 20


def lattice_filter(
    vertices: Tensor,
    slice_weights: Tensor,
    splat_pixels: Tensor,
    splat_weights: Tensor,
    splat_offsets: Tensor,
    neighbours: Tensor,
    values: Tensor,
    reverse: bool,
) -> Tensor:
    """The filter applied to (N, C) rows."""
    tensors = (vertices, slice_weights, splat_pixels, splat_weights)
    out = torch.zeros_like(values, memory_format=torch.contiguous_format)
    return add_filtered(out, (*tensors, splat_offsets, neighbours), values, reverse)


def add_filtered(
    out: Tensor, lattice: tuple[Tensor, ...], values: Tensor, reverse: bool = False
) -> Tensor:
    """Add the filtered rows to ``out``, block after block of channels."""
    channels = values.shape[1]
    block = channels if values.is_cuda else _channel_block(lattice, values)
    for start in range(0, channels, block):
        part = slice(start, start + block)
        out[:, part] += _splat_blur_slice(lattice, values[:, part], reverse)
    return out


def _channel_block(lattice: tuple[Tensor, ...], values: Tensor) -> int:
    """Channels at a time on a CPU, a multiple of 8 (vector registers).

    Blocks beyond the allocator's limit of 32 MB are mapped and unmapped by
    the operating system for every step, which takes longer than the filter.
    """
    num_pixels, num_tables = len(lattice[0]), len(lattice[4])
    rows = max(num_pixels, num_tables)
    fitting = _BLOCK_BYTES // (rows * values.element_size())
    return max(8, fitting // 8 * 8)


def _splat_blur_slice(
    lattice: tuple[Tensor, ...], values: Tensor, reverse: bool
) -> Tensor:
    vertices, slice_weights, pixels, splat_weights, offsets, neighbours = lattice
    table = F.embedding_bag(
        pixels,
        values.contiguous(),
        offsets,
        mode='sum',
        per_sample_weights=splat_weights.to(values),
    )
    for pair in neighbours.flip(0) if reverse else neighbours:
        table.add_(F.embedding_bag(pair, table, mode='sum'), alpha=0.5)
    return F.embedding_bag(
        vertices, table, mode='sum', per_sample_weights=slice_weights.to(values)
    )
