# Licensed under Apache-2.0.
"""Bilateral and Gaussian filtering of any number of channels."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import (
    check_finite,
    check_images,
    check_maps,
    check_same_device,
    check_sigma,
    compute_dtype,
)
from .lattice import filter_with_lattice
from .lattice_build import build_lattice

__all__ = ['bilateral_features', 'bilateral_filter', 'gaussian_filter']

MODES = ('lattice', 'exact')
_TILE_ELEMENTS = 1 << 22  # kernel entries at a time: 16 MB in float32


def bilateral_filter(
    image: Tensor,
    values: Tensor,
    sigma_xy: float,
    sigma_rgb: float,
    mode: str = 'lattice',
) -> Tensor:
    r"""Gaussian sum over position and colour, not normalised.

    :math:`A(v)_i = \sum_j \exp(-\tfrac12 \lVert f_i - f_j \rVert^2) v_j` with
    :math:`f = (x / \sigma_{xy}, y / \sigma_{xy}, c / \sigma_{rgb})`, j = i
    included. Linear in ``values`` and differentiable with respect to them; the
    image is a constant.

    Args:
        image: (B, 3, H, W), uint8 or floating, 0..255.
        values: (B, C, H, W), any C; half precision is computed in float32.
        sigma_xy: Deviation in pixels, > 0.
        sigma_rgb: Deviation in grey levels, > 0.
        mode: ``'lattice'``, the permutohedral lattice that published numbers
            rest on (0.5 to 0.6 times the exact sum), or ``'exact'``, the sum
            itself in tiles: O((H * W)^2), for tests and small images.

    Returns:
        (B, C, H, W), float32 (float64 for float64 values).

    Raises:
        ValueError: Wrong rank, dtype, size, device, mode, sigma <= 0 or (CPU
            only) non-finite values.
    """
    check_images('image', image)
    check_maps('values', values, batch=image.shape[0])
    check_same_size(image, values, 'image', 'values')
    check_same_device(image=image, values=values)
    check_sigma(sigma_xy=sigma_xy, sigma_rgb=sigma_rgb)
    check_mode(mode)
    check_finite(image=image, values=values)
    features = bilateral_features(image, sigma_xy, sigma_rgb)
    return filter_by_features(features, values, mode)


def gaussian_filter(values: Tensor, sigma_xy: float, mode: str = 'lattice') -> Tensor:
    r"""Gaussian sum over position, not normalised.

    As :func:`bilateral_filter` with :math:`f = (x, y) / \sigma_{xy}`.

    Args:
        values: (B, C, H, W), any C.
        sigma_xy: Deviation in pixels, > 0.
        mode: ``'lattice'`` or ``'exact'``.

    Returns:
        (B, C, H, W), float32 (float64 for float64 values).

    Raises:
        ValueError: As :func:`bilateral_filter`.
    """
    check_maps('values', values)
    check_sigma(sigma_xy=sigma_xy)
    check_mode(mode)
    check_finite(values=values)
    batch, _, height, width = values.shape
    features = position_features(height, width, sigma_xy, values.device)
    return filter_by_features(features.expand(batch, -1, -1), values, mode)


def position_features(
    height: int, width: int, sigma_xy: float, device: torch.device
) -> Tensor:
    """(x, y) / sigma_xy of each pixel, (1, 2, H * W) float32, x first."""
    x = _divide(torch.arange(width, device=device, dtype=torch.float32), sigma_xy)
    y = _divide(torch.arange(height, device=device, dtype=torch.float32), sigma_xy)
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    return grid.reshape(1, 2, height * width)


def bilateral_features(image: Tensor, sigma_xy: float, sigma_rgb: float) -> Tensor:
    """(x, y) / sigma_xy and colour / sigma_rgb, (B, 5, H * W) float32."""
    batch, _, height, width = image.shape
    position = position_features(height, width, sigma_xy, image.device)
    colour = image.detach().float().reshape(batch, 3, height * width)
    colour = _divide(colour, sigma_rgb)
    return torch.cat([position.expand(batch, -1, -1), colour], dim=1)


def _divide(values: Tensor, sigma: float) -> Tensor:
    # By a tensor: a GPU multiplies with the reciprocal of a python number, and
    # the last bit decides on which side of a simplex border a pixel lies.
    return values / values.new_full((), sigma)


def filter_by_features(features: Tensor, values: Tensor, mode: str) -> Tensor:
    """Filter (B, C, H, W) values with (B, d, H * W) features."""
    with torch.autocast(values.device.type, enabled=False):
        values = values.to(compute_dtype(values))
        rows = values.flatten(2).transpose(1, 2)  # (B, P, C): channels innermost
        if mode == 'exact':
            result = filter_exact(features, rows)
        else:
            result = _filter_lattice(features, rows)
        return result.transpose(1, 2).reshape(values.shape)


# The size of the lattice depends on the data: not for the compiler.
@torch.compiler.disable
def _filter_lattice(features: Tensor, rows: Tensor) -> Tensor:
    # On a GPU, counting the vertices would be a host sync.
    lattice = build_lattice(features, exact_size=not rows.is_cuda)
    flat = rows.reshape(-1, rows.shape[2])
    return filter_with_lattice(lattice, flat).view(rows.shape)


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


def check_same_size(image: Tensor, maps: Tensor, name: str, maps_name: str) -> None:
    """Require the same height and width."""
    if image.shape[-2:] != maps.shape[-2:]:
        raise ValueError(
            f'{maps_name} of size {tuple(maps.shape[-2:])} need {name} of the '
            f'same size, got {tuple(image.shape[-2:])}'
        )


def check_mode(mode: str) -> None:
    """Require a known filter mode."""
    if mode not in MODES:
        raise ValueError(f'mode must be one of {MODES}, got {mode!r}')
