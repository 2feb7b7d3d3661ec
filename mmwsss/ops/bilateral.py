# Licensed under Apache-2.0.
"""Bilateral and Gaussian filtering of any number of channels."""

from __future__ import annotations

import torch
from torch import Tensor

from ._checks import (
    check_finite,
    check_images,
    check_maps,
    check_mode,
    check_same_device,
    check_same_size,
    check_sigma,
    compute_dtype,
)
from ._features import bilateral_features, filter_exact, position_features
from ._schema import kernels
from .lattice import PermutohedralLattice

__all__ = ['bilateral_filter', 'gaussian_filter']


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


def filter_by_features(features: Tensor, values: Tensor, mode: str) -> Tensor:
    """Filter (B, C, H, W) values with (B, d, H * W) features."""
    with torch.autocast(values.device.type, enabled=False):
        values = values.to(compute_dtype(values))
        rows = values.flatten(2).transpose(1, 2)  # (B, P, C): channels innermost
        if mode == 'exact':
            check_finite(features=features)
            result = filter_exact(features, rows)
        else:
            result = _filter_lattice(features, rows)
        return result.transpose(1, 2).reshape(values.shape)


def _filter_lattice(features: Tensor, rows: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        # The size of a lattice depends on the data: one opaque operator.
        return kernels.bilateral(features, rows, False)
    # On a GPU, counting the vertices would be a host sync.
    lattice = PermutohedralLattice.build(features, exact_size=not rows.is_cuda)
    return lattice.filter(rows.reshape(-1, rows.shape[2])).view(rows.shape)
