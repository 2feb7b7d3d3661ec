# Licensed under Apache-2.0.
"""Lattices whose last block of pixels is filled up, by another way."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.ops import _fallback

__all__ = ['around_origin', 'with_a_massless_pixel']


def around_origin(batch: int, dim: int, pixels: int) -> Tensor:
    """(B, d, P) features that share no or few vertices with 0, but neighbours."""
    generator = torch.Generator().manual_seed(pixels)
    features = torch.rand(batch, dim, pixels, generator=generator)
    return 0.2 * features + (0.8 if dim < 3 else 0.6)


def with_a_massless_pixel(features: Tensor, values: Tensor, reverse: bool) -> Tensor:
    """The filter, with one more pixel of feature 0 and value 0 in each image.

    Args:
        features: (B, d, P).
        values: (B * P, C).
        reverse: Blur the last axis first.
    """
    batch, _, pixels = features.shape
    lattice = _fallback.lattice_build(F.pad(features, (0, 1)), True, False)
    rows = F.pad(values.view(batch, pixels, -1), (0, 0, 0, 1))
    filtered = _fallback.lattice_filter(*lattice, rows.flatten(0, 1), reverse)
    return filtered.view(rows.shape)[:, :pixels].reshape(values.shape)
