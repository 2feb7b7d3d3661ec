# Licensed under Apache-2.0.
"""Permutohedral lattice: from the features of the pixels to its vertices.

Source: Adams, Baek, Davis (Eurographics 2010), sections 4.1 and 4.2. Vertices
are packed into integer keys, sorted and looked up by binary search: no races. (The
C++ form hashes and numbers the vertices as they come; sums are the same.)
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ['lattice_build']

_MISSING_KEY = torch.iinfo(torch.int64).max
_EXACT_INTEGERS = 2**24  # of float32


def lattice_build(
    features: Tensor, exact_size: bool, with_origin: bool
) -> tuple[Tensor, ...]:
    """The six tensors of :class:`~mmwsss.ops.PermutohedralLattice`.

    Non-finite features give slice weights of NaN, and so does without
    ``exact_size``, where nothing is read back, whatever a lattice can't hold.

    Args:
        features: (B, d, P) float32, already divided by their sigmas.
        exact_size: False allocates for the worst case, a vertex an entry.
        with_origin: The vertices around feature 0 exist in every image, with an
            entry of weight 0 (of the last pixel) each.

    Raises:
        ValueError: With ``exact_size``, features that need more than 63 bits
            for their keys or are too large for float32.
    """
    if with_origin:
        features = F.pad(features, (0, 1))
    elevated = _elevate(features)
    usable = _usable(elevated, check=exact_size)
    elevated.masked_fill_(usable.logical_not(), 0)
    base, slots, weights = _enclosing_simplex(elevated)
    if with_origin:
        weights[..., -1] = 0
    keys, deltas, fits = _pack_keys(base, slots, check=exact_size)
    scale = 1.0 / (1.0 + 2.0 ** -features.shape[1])
    scale = torch.where(usable & fits, scale, torch.nan).to(weights)
    return _assemble(keys, weights, scale, deltas, exact_size, with_origin)


def _elevate(features: Tensor) -> Tensor:
    """Coordinates on the hyperplane of sum 0, (d + 1, B, P)."""
    dim = features.shape[1]
    elevated: list[Tensor] = [torch.empty(0)] * (dim + 1)
    total = torch.zeros_like(features[:, 0])
    # Rounded where the reference rounds: pixels on the border of two simplices
    # (uniform colours, integer coordinates) fall to the same side.
    deviation = float(np.float32((dim + 1) * math.sqrt(2 / 3)))
    for j in range(dim, 0, -1):
        scaled = features[:, j - 1] * (deviation / math.sqrt(j * (j + 1)))
        elevated[j] = total - j * scaled
        total = total + scaled
    elevated[0] = total
    return torch.stack(elevated)


def _usable(elevated: Tensor, check: bool) -> Tensor:
    """Whether all coordinates are finite and resolved by float32; a bool ()."""
    largest = torch.stack(elevated.aminmax()).abs().amax()  # NaN where there is one
    if check and _EXACT_INTEGERS <= float(largest) < math.inf:
        raise ValueError(
            f'the features are too large for float32: a coordinate of the lattice '
            f'is {largest:.4g}. Use larger sigmas'
        )
    return largest < _EXACT_INTEGERS


def _enclosing_simplex(elevated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Base point, ordering and barycentric weights of each pixel's simplex.

    Returns:
        base: (d + 1, B, P) float, the remainder-0 point divided by (d + 1).
        slots: (d + 1, B, P) int64, d - rank of each coordinate.
        weights: (d + 1, B, P), of the vertices k = 0..d.
    """
    count = elevated.shape[0]
    inverse = 1.0 / count
    base = (elevated * inverse).round_()  # half to even
    rank = _descending_rank(elevated - base * count)
    rank += base.sum(dim=0).to(rank.dtype)
    wrap = (rank < 0).to(rank.dtype) - (rank >= count).to(rank.dtype)
    rank += wrap * count
    base += wrap
    offset = (elevated - base * count) * inverse
    # Beyond the exact integers, ranks mean nothing, but stay indices.
    slots = (count - 1 - rank).clamp_(0, count - 1).long()
    ordered = torch.empty_like(offset).scatter_(0, slots, offset)
    weights = ordered.clone()
    weights[1:] -= ordered[:-1]
    weights[0] += 1.0 - ordered[-1]
    return base, slots, weights


def _descending_rank(residual: Tensor) -> Tensor:
    """Position of each residual in descending order; ties: lower index first."""
    count = residual.shape[0]
    rank = torch.zeros_like(residual, dtype=torch.int32)
    for i in range(count - 1):
        below = residual[i] < residual[i + 1 :]
        rank[i] += below.sum(dim=0, dtype=torch.int32)
        rank[i + 1 :] += below.logical_not_()
    return rank


def _pack_keys(
    base: Tensor, slots: Tensor, check: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """One int64 per vertex of each pixel, and the key steps to its neighbours.

    Vertex k has the coordinates (d + 1) * base + k, less (d + 1) where the
    coordinate's slot is < k; the first d of them identify it. They are packed
    in a mixed radix with room for the neighbours' steps on both sides.

    Returns:
        keys: (d + 1, B, P) int64.
        deltas: (d + 1,) int64, key of the + neighbour minus key.
        fits: bool (), whether 63 bits hold all keys.
    """
    count, batch, _ = base.shape
    dim = count - 1
    coords = base[:dim].long()
    low = (coords.amin(dim=(1, 2)) - 1) * count - dim
    high = coords.amax(dim=(1, 2)) * count + 2 * dim
    extents = high - low + 1
    if check:
        _check_key_range(extents.tolist(), batch)
    fits = extents.double().prod() * batch < 2.0**63
    strides = _strides(extents)
    image = torch.arange(batch, device=base.device).view(1, batch, 1)
    step = strides[:dim].view(dim, 1, 1)
    first = ((coords * count - low.view(dim, 1, 1)) * step).sum(dim=0, keepdim=True)
    first = first + image * (strides[0] * extents[0])
    by_slot = torch.empty_like(slots).scatter_(
        0, slots, strides.view(count, 1, 1).expand_as(slots)
    )
    keys = first.repeat(count, 1, 1)
    keys[1:] -= count * by_slot[:-1].cumsum(dim=0)
    total = strides.sum()
    keys += total * torch.arange(count, device=base.device).view(count, 1, 1)
    return keys, strides * count - total, fits


def _strides(extents: Tensor) -> Tensor:
    """Mixed-radix strides (d + 1,); the last coordinate isn't packed: 0."""
    tail = extents.flip(0).cumprod(0).flip(0)
    one, zero = tail.new_ones(1), tail.new_zeros(1)
    return torch.cat([tail[1:], one, zero])


def _check_key_range(extents: list[int], batch: int) -> None:
    bits = math.log2(math.prod(extents) * batch)
    if bits >= 63:
        raise ValueError(
            f'the lattice needs {bits:.1f} bits for its keys, 63 are there; '
            f'coordinate ranges {extents}, {batch} images. Use larger sigmas, '
            f'fewer images or, for features far from 0, pad_block=False'
        )


def _assemble(
    keys: Tensor,
    weights: Tensor,
    scale: Tensor,
    deltas: Tensor,
    exact_size: bool,
    with_origin: bool,
) -> tuple[Tensor, ...]:
    """Sort the keys, number the vertices, find their neighbours.

    With the origin, the last point of each image is no pixel.
    """
    count, _, points = keys.shape
    pixels = points - int(with_origin)
    ordered, order = keys.view(-1).sort(stable=True)
    new = ordered[1:] != ordered[:-1]
    ids = F.pad(new.cumsum(0), (1, 0))
    if exact_size:
        offsets = F.pad(new.nonzero().squeeze(1) + 1, (1, 0))
        unique = ordered[offsets]
    else:
        slots = torch.arange(ids.numel(), device=keys.device)
        offsets = torch.searchsorted(ids, slots)
        found = ordered[offsets.clamp(max=ids.numel() - 1)]
        unique = found.masked_fill_(slots > ids[-1], _MISSING_KEY)
    vertices = torch.empty_like(ids, dtype=torch.int32)
    vertices[order] = ids.int()
    pixel = order % keys[0].numel()
    if with_origin:  # as many points too many as images end before
        pixel -= (pixel + 1).div_(points, rounding_mode='floor')
    return (
        vertices.view_as(keys)[..., :pixels].flatten(1).t().contiguous(),
        (weights * scale)[..., :pixels].flatten(1).t().contiguous(),
        pixel.int(),
        weights.reshape(-1)[order],
        F.pad(offsets, (0, 1), value=ids.numel()).int(),
        _neighbours(unique, deltas),
    )


def _neighbours(unique: Tensor, deltas: Tensor) -> Tensor:
    """Indices of key + delta and key - delta, (d + 1, M + 1, 2); else M."""
    size, axes = unique.numel(), deltas.numel()
    wanted = unique + deltas.unsqueeze(1)
    after = torch.searchsorted(unique, wanted).clamp_(max=size - 1)
    after.masked_fill_(unique[after] != wanted, size)
    after = F.pad(after, (0, 1), value=size)
    # Who is a's + neighbour has a as - neighbour; M collects the missing ones.
    index = torch.arange(size + 1, device=unique.device).expand(axes, -1)
    before = torch.full_like(after, size).scatter_(1, after, index)
    before[:, size] = size
    return torch.stack([after, before], dim=2).int()
