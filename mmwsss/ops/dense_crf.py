# Licensed under Apache-2.0.
"""Mean-field inference of the fully connected CRF.

Source: Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs
with Gaussian Edge Potentials" (NeurIPS 2011), algorithm 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ._checks import (
    check_finite,
    check_images,
    check_iterations,
    check_maps,
    check_same_device,
    check_sigma,
    compute_dtype,
)
from .bilateral import (
    bilateral_features,
    check_mode,
    check_same_size,
    filter_exact,
    position_features,
)
from .crf_presets import DENSE_CRF_PRESETS
from .crf_unary import collapse_labels, label_unary
from .lattice import Lattice, add_filtered, filter_with_lattice
from .lattice_build import build_lattice

__all__ = ['DENSE_CRF_PRESETS', 'dense_crf', 'dense_crf_labels']


_Kernel = Callable[[Tensor, Tensor], object]


def dense_crf(
    images: Tensor,
    unary: Tensor,
    *,
    pos_xy_std: float,
    pos_w: float,
    bi_xy_std: float,
    bi_rgb_std: float,
    bi_w: float,
    iter_max: int = 10,
    multiplicity: Tensor | None = None,
    mode: str = 'lattice',
) -> Tensor:
    r"""Marginals of the dense CRF after ``iter_max`` mean-field updates.

    .. math::
        Q^0 = \mathrm{softmax}_l(-U), \quad
        Q^{t+1} = \mathrm{softmax}_l(-U + w_g A_g(Q^t) + w_b A_b(Q^t)), \quad
        A(q) = D^{-1/2} K D^{-1/2} q

    with K the Gaussian kernel (own contribution included) and D = diag(K 1).
    ``dense_crf(images, unary, **DENSE_CRF_PRESETS['toco_seg'])`` gives the
    published settings. Not differentiable.

    Args:
        images: (B, 3, H, W) RGB, uint8 or floating, 0..255.
        unary: (B, n, H, W) energies, see :func:`unary_from_prob`,
            :func:`unary_from_cam` and :func:`unary_from_labels`.
        pos_xy_std: Deviation of the Gaussian kernel in pixels, > 0.
        pos_w: Weight w_g of the Gaussian kernel.
        bi_xy_std: Deviation of the bilateral kernel in pixels, > 0.
        bi_rgb_std: Its deviation in grey levels, > 0.
        bi_w: Weight w_b of the bilateral kernel.
        iter_max: Number of updates, >= 0.
        multiplicity: (n,), how many labels of identical energies each row
            stands for (:func:`collapse_labels`); the result is that of one of
            them. None: 1 each.
        mode: ``'lattice'`` (published) or ``'exact'`` (the kernel itself,
            O((H * W)^2); 1 to 2.5 % of labels differ).

    Returns:
        Q (B, n, H, W), float32 (float64 for float64 energies), sum 1 over
        the labels.

    Raises:
        ValueError: Wrong rank, dtype, size, device, mode, deviation or weight;
            on the CPU also non-finite values.
    """
    check_images('images', images)
    check_maps('unary', unary, batch=images.shape[0])
    check_same_size(images, unary, 'images', 'unary')
    check_same_device(images=images, unary=unary)
    check_sigma(pos_xy_std=pos_xy_std, bi_xy_std=bi_xy_std, bi_rgb_std=bi_rgb_std)
    _check_weights(pos_w=pos_w, bi_w=bi_w)
    check_iterations('iter_max', iter_max)
    check_mode(mode)
    check_finite(images=images, unary=unary)
    log_count = _log_multiplicity(multiplicity, unary)
    stds = (pos_xy_std, bi_xy_std, bi_rgb_std)
    with torch.no_grad(), torch.autocast(unary.device.type, enabled=False):
        unary = unary.to(compute_dtype(unary))
        # On a CPU one image at a time stays in the caches and in memory.
        step = len(images) if images.is_cuda else 1
        parts = [
            _infer(image, energy, stds, (pos_w, bi_w), iter_max, log_count, mode)
            for image, energy in zip(images.split(step), unary.split(step), strict=True)
        ]
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def dense_crf_labels(
    images: Tensor,
    labels: Tensor,
    num_labels: int,
    confidence: float = 0.7,
    *,
    pos_xy_std: float,
    pos_w: float,
    bi_xy_std: float,
    bi_rgb_std: float,
    bi_w: float,
    iter_max: int = 10,
    collapse: bool = True,
    mode: str = 'lattice',
) -> Tensor:
    """:func:`dense_crf` with hard labels as unary.

    Args:
        images: (B, 3, H, W) RGB, 0..255.
        labels: (B, H, W) integers in 0..num_labels-1.
        num_labels: n; the result depends on it. Use 21 for "21 labels", the
            number of present labels for a compact label set.
        confidence: Probability of the given label, in (0, 1).
        pos_xy_std: See :func:`dense_crf`, as all the following.
        pos_w: See :func:`dense_crf`.
        bi_xy_std: See :func:`dense_crf`.
        bi_rgb_std: See :func:`dense_crf`.
        bi_w: See :func:`dense_crf`.
        iter_max: See :func:`dense_crf`.
        collapse: Let the absent labels share one row: same result, faster.
        mode: See :func:`dense_crf`.

    Returns:
        Q (B, n, H, W).

    Raises:
        ValueError: As :func:`dense_crf` and :func:`unary_from_labels`.
    """
    settings = dict(
        pos_xy_std=pos_xy_std,
        pos_w=pos_w,
        bi_xy_std=bi_xy_std,
        bi_rgb_std=bi_rgb_std,
        bi_w=bi_w,
        iter_max=iter_max,
        mode=mode,
    )
    rows = collapse_labels(labels, num_labels)
    if not collapse:
        unary = label_unary(labels, num_labels, num_labels, confidence)
        return dense_crf(images, unary, **settings)
    count = len(rows.multiplicity)
    unary = label_unary(rows.labels, count, num_labels, confidence)
    result = dense_crf(images, unary, multiplicity=rows.multiplicity, **settings)
    return result.index_select(1, rows.row_of_label)


# The size of the lattice depends on the data: not for the compiler.
@torch.compiler.disable
def _infer(
    image: Tensor,
    unary: Tensor,
    stds: tuple[float, float, float],
    weights: tuple[float, float],
    iter_max: int,
    log_count: Tensor | None,
    mode: str,
) -> Tensor:
    kernels = _kernels(image, stds, weights, mode)
    return _mean_field(unary, kernels, iter_max, log_count)


def _mean_field(
    unary: Tensor, kernels: list[_Kernel], iter_max: int, log_count: Tensor | None
) -> Tensor:
    """The updates on rows (B * P, n), labels innermost; gives (B, n, H, W)."""
    batch, labels, height, width = unary.shape
    # A reshape alone may stay a transposed view.
    bias = unary.permute(0, 2, 3, 1).reshape(-1, labels).contiguous().neg()
    share = None
    if log_count is not None:
        # A row that stands for r labels: r in the sum, the result of one.
        bias += log_count
        share = (-log_count).exp()
    # Two buffers for all updates: large allocations cost more than they hold.
    logits, rows = bias.clone(), torch.empty_like(bias)
    for update in range(iter_max + 1):
        if update:
            logits.copy_(bias)
            for add_message in kernels:
                add_message(logits, rows)
        torch.softmax(logits, dim=1, out=rows)
        if share is not None:
            rows *= share
    grid = rows.view(batch, height, width, labels)
    return grid.permute(0, 3, 1, 2).contiguous()


def _kernels(
    image: Tensor,
    stds: tuple[float, float, float],
    weights: tuple[float, float],
    mode: str,
) -> list[_Kernel]:
    """Functions (logits, Q) that add w_g A_g(Q) and w_b A_b(Q) to the logits."""
    batch, _, height, width = image.shape
    pos_xy_std, bi_xy_std, bi_rgb_std = stds
    colour = bilateral_features(image, bi_xy_std, bi_rgb_std)
    if mode == 'exact':
        position = position_features(height, width, pos_xy_std, image.device)
        features = (position.expand(batch, -1, -1), colour)
        return [_exact_kernel(f, w) for f, w in zip(features, weights, strict=True)]
    size = (batch, height, width)
    gaussian = _gaussian_lattice(size, pos_xy_std, weights[0], str(image.device))
    bilateral = _normalised(build_lattice(colour), weights[1])
    return [_lattice_kernel(gaussian), _lattice_kernel(bilateral)]


def _lattice_kernel(lattice: Lattice) -> _Kernel:
    return lambda logits, rows: add_filtered(logits, lattice, rows)


def _exact_kernel(features: Tensor, weight: float) -> _Kernel:
    batch, _, pixels = features.shape
    ones = features.new_ones(batch, pixels, 1, dtype=torch.float64)
    scale = (filter_exact(features, ones) + 1e-20).rsqrt()

    def add_message(logits: Tensor, rows: Tensor) -> None:
        factor = scale.to(rows.dtype)
        grid = rows.view(batch, pixels, -1)
        message = filter_exact(features, grid * factor) * factor
        logits.add_(message.view_as(logits), alpha=weight)

    return add_message


@lru_cache(maxsize=8)
def _gaussian_lattice(
    size: tuple[int, int, int], sigma_xy: float, weight: float, device: str
) -> Lattice:
    """Depends on the size alone: kept for the next image of that size."""
    batch, height, width = size
    features = position_features(height, width, sigma_xy, torch.device(device))
    return _normalised(build_lattice(features.expand(batch, -1, -1)), weight)


def _normalised(lattice: Lattice, weight: float) -> Lattice:
    """weight * D^-1/2 K D^-1/2 with D = diag(K 1)."""
    ones = lattice.slice_weights.new_ones(lattice.num_pixels, 1)
    mass = filter_with_lattice(lattice, ones).squeeze(1)
    return lattice.rescaled((mass + 1e-20).rsqrt(), weight)


def _log_multiplicity(multiplicity: Tensor | None, unary: Tensor) -> Tensor | None:
    if multiplicity is None:
        return None
    if tuple(multiplicity.shape) != (unary.shape[1],):
        raise ValueError(
            f'multiplicity must have shape ({unary.shape[1]},), one entry per '
            f'row of unary, got {tuple(multiplicity.shape)}'
        )
    check_same_device(unary=unary, multiplicity=multiplicity)
    if bool((multiplicity < 1).any()):
        raise ValueError(f'multiplicity must be >= 1, got {multiplicity.tolist()}')
    return multiplicity.to(compute_dtype(unary)).log()


def _check_weights(**weights: float) -> None:
    for name, weight in weights.items():
        if not math.isfinite(weight):
            raise ValueError(f'{name} must be finite, got {weight}')
