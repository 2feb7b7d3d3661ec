# Licensed under Apache-2.0.
"""Features of pixels, and the exact Gaussian sum over them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    'bilateral_features',
    'block_has_origin',
    'filter_exact',
    'position_features',
]

_PIXEL_BLOCK = 4  # pixels that the released library takes at a time
_TILE_ELEMENTS = 1 << 22  # kernel entries at a time: 16 MB in float32


def position_features(
    height: int,
    width: int,
    sigma_xy: float | Sequence[float],
    device: torch.device,
) -> Tensor:
    """(x, y) / sigma_xy of each pixel, (1, 2, H * W) float32, x first.

    The deviation is one number or a pair for x and y.
    """
    pair = sigma_xy if isinstance(sigma_xy, Sequence) else (sigma_xy, sigma_xy)
    x = _divide(torch.arange(width, device=device, dtype=torch.float32), pair[0])
    y = _divide(torch.arange(height, device=device, dtype=torch.float32), pair[1])
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    return grid.reshape(1, 2, height * width)


def bilateral_features(
    image: Tensor,
    sigma_xy: float | Sequence[float],
    sigma_rgb: float | Sequence[float],
) -> Tensor:
    """(x, y) / sigma_xy and colour / sigma_rgb, (B, 5, H * W) float32.

    The deviation of the colour is one number or one for each channel.
    """
    batch, _, height, width = image.shape
    position = position_features(height, width, sigma_xy, image.device)
    colour = image.detach().float().reshape(batch, 3, height * width)
    if isinstance(sigma_rgb, Sequence):
        parts = zip(colour.unbind(1), sigma_rgb, strict=True)
        colour = torch.stack([_divide(c, sigma) for c, sigma in parts], dim=1)
    else:
        colour = _divide(colour, sigma_rgb)
    return torch.cat([position.expand(batch, -1, -1), colour], dim=1)


def block_has_origin(pixels: int, pad_block: bool = True) -> bool:
    """Whether the lattice of an image holds the vertices around feature 0.

    The released library fills up the last block of pixels with feature 0.

    Args:
        pixels: P of one image.
        pad_block: False for a lattice of the pixels alone.
    """
    return pad_block and pixels % _PIXEL_BLOCK != 0


def _divide(values: Tensor, sigma: float) -> Tensor:
    # By a tensor: a GPU multiplies with the reciprocal of a python number, and
    # the last bit decides on which side of a simplex border a pixel lies.
    return values / values.new_full((), float(sigma))


def filter_exact(features: Tensor, rows: Tensor) -> Tensor:
    """The exact Gaussian sum of (B, P, C) rows, a tile of the kernel at a time."""
    points = features.transpose(1, 2).to(rows.dtype)
    tile = max(1, _TILE_ELEMENTS // (points.shape[0] * points.shape[1]))
    parts = []
    for chunk in points.split(tile, dim=1):
        # Without the matrix product: it would lose small distances.
        distance = torch.cdist(
            chunk, points, compute_mode='donot_use_mm_for_euclid_dist'
        )
        parts.append(distance.square_().mul_(-0.5).exp_() @ rows)
    return torch.cat(parts, dim=1)
