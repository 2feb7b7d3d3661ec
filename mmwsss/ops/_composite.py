# Licensed under Apache-2.0.
"""Operators made of other operators, opaque to the compiler.

The size of a lattice depends on the data. As one operator of static output
shape, what is built on a lattice can still be part of a compiled graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mmwsss.ops._fallback.crf import AddMessage, apply_compat, update_q

from ._checks import (
    BYTES_PER_ENTRY,
    check_features,
    check_finite,
    check_memory,
    free_bytes,
)
from ._features import (
    bilateral_features,
    block_has_origin,
    filter_exact,
    position_features,
)

__all__ = ['bilateral', 'dense_crf', 'forget_lattices']

kernels = torch.ops.mmwsss
Lattice = tuple[Tensor, ...]
_ENTRIES = 9  # of the splats of a pixel: 6 bilateral, 3 Gaussian


def bilateral(features: Tensor, values: Tensor, reverse: bool) -> Tensor:
    """Build the lattice of (B, d, P) features and filter (B, P, C) values."""
    origin = block_has_origin(features.shape[2])
    lattice = kernels.lattice_build(features, not values.is_cuda, origin)
    rows = values.reshape(-1, values.shape[2])
    return kernels.lattice_filter(*lattice, rows, reverse).view(values.shape)


def dense_crf(
    images: Tensor,
    unary: Tensor,
    stds: Sequence[float],
    features: Sequence[Tensor],
    weights: Sequence[float],
    compats: Sequence[Tensor],
    iter_max: int,
    log_count: Tensor | None,
    exact: bool,
    pad_block: bool,
) -> Tensor:
    """Marginals (B, n, H, W) of float32 or float64 energies.

    Args:
        images: (B, 3, H, W), 0..255.
        unary: (B, n, H, W).
        stds: (x, y) of the Gaussian term, (x, y, r, g, b) of the bilateral one.
        features: (B, d, P) features of further terms.
        weights: Of all terms: Gaussian, bilateral, further ones.
        compats: For each term (0,), or what comes in place of a weight of 1.
        iter_max: Number of updates.
        log_count: See :func:`~._fallback.crf.update_q`.
        exact: The kernels themselves instead of lattices.
        pad_block: See :meth:`~.lattice.PermutohedralLattice.build`.
    """
    infer = _exact if exact else _on_lattices
    step = _images_at_a_time(images, unary)
    parts = []
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        cut = [maps[part] for maps in features]
        terms = _Terms(images[part], stds, cut, weights, compats, pad_block)
        parts.append(infer(terms, unary[part], iter_max, log_count))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _images_at_a_time(images: Tensor, unary: Tensor) -> int:
    """On a GPU as many as its memory holds, at a generous guess of what each
    needs; on a CPU one image at a time stays in the caches."""
    if not images.is_cuda:
        return 1
    pixels = images[0, 0].numel()
    building = pixels * _ENTRIES * BYTES_PER_ENTRY
    tables = 4 * pixels * unary.shape[1] * unary.element_size()
    fitting = int(free_bytes(images.device) // (building + tables))
    return max(1, min(len(images), fitting))


@dataclass
class _Terms:
    """What :func:`dense_crf` says of them."""

    images: Tensor
    stds: Sequence[float]
    features: Sequence[Tensor]
    weights: Sequence[float]
    compats: Sequence[Tensor]
    pad_block: bool

    def active(self) -> list[int]:
        """Terms that do something; those of weight 0 cost nothing."""
        pairs = zip(self.weights, self.compats, strict=True)
        return [i for i, (weight, c) in enumerate(pairs) if weight or c.numel()]

    def features_of(self, term: int) -> Tensor:
        """(B, d, P)."""
        batch, _, height, width = self.images.shape
        if term == 0:
            position = position_features(
                height, width, self.stds[:2], self.images.device
            )
            return position.expand(batch, -1, -1)
        if term == 1:
            return bilateral_features(self.images, self.stds[2:4], self.stds[4:])
        return self.features[term - 2]

    def lattice_of(self, term: int) -> Lattice:
        """Normalised, its weight part of it."""
        weight = self.weights[term]
        if term:
            return _normalised(self.features_of(term), weight, self.pad_block)
        batch, _, height, width = self.images.shape
        where = str(self.images.device), _stream(self.images)
        return _gaussian(batch, height, width, *self.stds[:2], weight, *where)


def _on_lattices(
    terms: _Terms, unary: Tensor, iter_max: int, log_count: Tensor | None
) -> Tensor:
    active = terms.active()
    lattices = [terms.lattice_of(i) for i in active]
    row = unary.shape[1] * unary.element_size()
    pixels = unary.numel() // unary.shape[1]
    sizes = [len(lattice[4]) for lattice in lattices]
    tables = sum(sizes) + max(sizes, default=0)  # each term's, one to blur with
    check_memory('the dense CRF', (3 * pixels + tables) * row, unary.device)
    tensors = [tensor for lattice in lattices for tensor in lattice]
    compats = [terms.compats[i] for i in active]
    return kernels.mean_field(unary, tensors, compats, iter_max, log_count)


def _exact(
    terms: _Terms, unary: Tensor, iter_max: int, log_count: Tensor | None
) -> Tensor:
    messages = [
        _exact_message(terms.features_of(i), terms.weights[i], terms.compats[i])
        for i in terms.active()
    ]
    return update_q(unary, messages, iter_max, log_count)


def _exact_message(features: Tensor, weight: float, compat: Tensor) -> AddMessage:
    check_finite(features=features)
    batch, _, pixels = features.shape
    ones = features.new_ones(batch, pixels, 1, dtype=torch.float64)
    scale = (filter_exact(features, ones) + 1e-20).rsqrt()

    def add_message(logits: Tensor, rows: Tensor) -> None:
        factor = scale.to(rows.dtype)
        message = filter_exact(features, rows.view(batch, pixels, -1) * factor) * factor
        message = message.view_as(logits)
        if compat.numel():
            message = apply_compat(message, compat)
        logits.add_(message, alpha=weight)

    return add_message


def _stream(tensor: Tensor) -> int:
    if not tensor.is_cuda:
        return 0
    return torch.cuda.current_stream(tensor.device).cuda_stream


@lru_cache(maxsize=8)
def _gaussian(
    batch: int,
    height: int,
    width: int,
    x_std: float,
    y_std: float,
    weight: float,
    device: str,
    stream: int,
) -> Lattice:
    """Depends on the size alone: kept for the next image of that size.

    A GPU may still be at work on it: only for the stream that it was built on.
    """
    position = position_features(height, width, (x_std, y_std), torch.device(device))
    # The first pixel lies in the origin: nothing to pad.
    return _normalised(position.expand(batch, -1, -1), weight, pad_block=False)


def forget_lattices() -> None:
    """Empty the memory of Gaussian lattices."""
    _gaussian.cache_clear()


def _normalised(features: Tensor, weight: float, pad_block: bool) -> Lattice:
    """weight * D^-1/2 K D^-1/2 with D = diag(K 1)."""
    check_features(features)
    origin = block_has_origin(features.shape[2], pad_block)
    lattice = kernels.lattice_build(features.contiguous(), True, origin)
    vertices, slice_weights, pixels, splat_weights, *rest = lattice
    ones = slice_weights.new_ones(len(vertices), 1)
    mass = kernels.lattice_filter(*lattice, ones, False).squeeze(1)
    factor = (mass + 1e-20).rsqrt()
    slice_weights = slice_weights * (factor * weight).unsqueeze(1)
    return vertices, slice_weights, pixels, splat_weights * factor[pixels], *rest
