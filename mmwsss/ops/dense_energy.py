# Licensed under Apache-2.0.
"""Gated dense energy: neighbours of similar colour should be labelled alike.

Source: Tang et al., "On Regularized Losses for Weakly-supervised CNN
Segmentation" (ECCV 2018), in the gated form with the regions of interest that
ToCo (CVPR 2023) and FSR train with.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_images,
    check_maps,
    check_mode,
    check_number,
    check_same_device,
    check_sigma,
    compute_dtype,
    describe,
)
from ._features import bilateral_features
from .bilateral import filter_by_features

__all__ = [
    'EnergyInputs',
    'dense_energy',
    'dense_energy_loss',
    'energy_gate',
    'gated_energy',
    'scale_energy_inputs',
]


_SUM_TOLERANCE = 1e-2  # of half-precision softmax


class EnergyInputs(NamedTuple):
    """What the energy is made of, at its working resolution h x w.

    Attributes:
        image: (B, 3, h, w), 0..255.
        prob: (B, K, h, w), sum 1 over K where nothing was padded.
        roi: (B, h, w), 1 inside the region of interest, else 0.
        unlabelled: (B, h, w) bool, True where the label is 255.
    """

    image: Tensor
    prob: Tensor
    roi: Tensor
    unlabelled: Tensor


def dense_energy(
    image: Tensor,
    prob: Tensor,
    roi: Tensor | None,
    unlabelled: Tensor,
    sigma_rgb: float = 15.0,
    sigma_xy: float = 100.0,
    scale_factor: float = 0.5,
    exact_grad: bool = False,
    mode: str = 'lattice',
) -> Tensor:
    r"""Energy :math:`E = -\frac1B \sum S \cdot G \cdot A(S)`, batch mean.

    S is the probability inside the region of interest, G the gate of
    :func:`energy_gate` and A the bilateral filter with deviations
    ``sigma_xy * scale_factor`` and ``sigma_rgb``. The published loss is
    1e-7 times this value (and has a weight of 0.05 in the total); it is
    negative.

    The published gradient, :math:`-\frac2B G \cdot A(S) \cdot R` with respect
    to the scaled probabilities, is *not* the derivative of the energy: the
    gate counts as constant and of the two terms :math:`G A(S)` and
    :math:`A(G S)` the first is taken twice. Published numbers rest on it.

    Args:
        image: (B, 3, H, W), uint8 or floating, 0..255, not normalised.
        prob: (B, K, H, W), softmax probabilities.
        roi: (B, H, W), 1 inside the region of interest (the real pixels of
            the crop), else 0; None for the whole crop.
        unlabelled: (B, H, W), non-zero where the pseudo label is 255.
        sigma_rgb: Deviation in grey levels, > 0.
        sigma_xy: Deviation in pixels of the unscaled image, > 0.
        scale_factor: Working resolution; 1 for inputs that are scaled already.
        exact_grad: True for the derivative, False for the published gradient.
        mode: Of the filter, ``'lattice'`` (published) or ``'exact'``. The
            exact sum is about 1.7 times larger.

    Returns:
        Scalar, float32 (float64 for float64 ``prob``), differentiable with
        respect to ``prob``.

    Raises:
        ValueError: Wrong rank, dtype, size, device, mode, sigma or scale; on
            the CPU also non-finite values and probabilities that don't sum to 1.
    """
    check_sigma(sigma_rgb=sigma_rgb, sigma_xy=sigma_xy, scale_factor=scale_factor)
    check_mode(mode)
    if scale_factor > 1:
        raise ValueError(f'scale_factor must lie in (0, 1], got {scale_factor}')
    scale_factor = float(scale_factor)
    roi = _check_inputs(image, prob, roi, unlabelled)
    if min(image.shape[-2:]) * scale_factor < 1:
        raise ValueError(
            f'scale_factor {scale_factor} leaves no pixel of {tuple(image.shape[-2:])}'
        )
    with torch.autocast(prob.device.type, enabled=False):
        prob = prob.to(compute_dtype(prob))
        scaled = scale_energy_inputs(image, prob, roi, unlabelled, scale_factor)
        masked = scaled.prob * scaled.roi.unsqueeze(1)
        with torch.set_grad_enabled(exact_grad and torch.is_grad_enabled()):
            gate = energy_gate(scaled.prob, scaled.roi, scaled.unlabelled)
            sigmas = sigma_xy * scale_factor, sigma_rgb
            features = bilateral_features(scaled.image, *sigmas)
            filtered = filter_by_features(features, masked, mode)
        if not exact_grad:
            # In place: a new tensor of this size costs more than the product.
            return _PublishedEnergy.apply(masked, filtered.mul_(gate.unsqueeze(1)))
        return -(masked * gate.unsqueeze(1) * filtered).sum() / len(masked)


def dense_energy_loss(
    image: Tensor,
    prob: Tensor,
    roi: Tensor | None,
    unlabelled: Tensor,
    weight: float = 1e-7,
    **settings: Any,
) -> Tensor:
    """``weight`` times :func:`dense_energy`: the loss as it was published.

    Args:
        image: See :func:`dense_energy`, as the next three and ``settings``.
        prob: (B, K, H, W), softmax probabilities.
        roi: (B, H, W) or None.
        unlabelled: (B, H, W).
        weight: Factor of the energy.
        **settings: Further arguments of :func:`dense_energy`.

    Returns:
        Scalar, negative.

    Raises:
        ValueError: As :func:`dense_energy`.
    """
    check_number('weight', weight)
    return weight * dense_energy(image, prob, roi, unlabelled, **settings)


def scale_energy_inputs(
    image: Tensor,
    prob: Tensor,
    roi: Tensor,
    unlabelled: Tensor,
    scale_factor: float = 0.5,
) -> EnergyInputs:
    """Bring everything to the working resolution.

    Image, region and label by nearest, probabilities bilinear with half-pixel
    centres and no antialiasing (the published choices).

    Args:
        image: (B, 3, H, W), 0..255.
        prob: (B, K, H, W).
        roi: (B, H, W), 0 or 1.
        unlabelled: (B, H, W), non-zero where the label is 255.
        scale_factor: Ratio of the resolutions; 1 leaves everything as it is.

    Returns:
        Floating image, probabilities and region of the type of ``prob``.
    """

    def nearest(maps: Tensor) -> Tensor:
        maps = maps.to(prob.dtype)
        if scale_factor == 1:
            return maps
        return F.interpolate(maps, scale_factor=scale_factor, mode='nearest')

    scaled_roi = nearest(roi.unsqueeze(1)).squeeze(1)
    ignored = nearest((unlabelled != 0).unsqueeze(1)).squeeze(1) > 0
    if scale_factor != 1:
        prob = F.interpolate(
            prob, scale_factor=scale_factor, mode='bilinear', align_corners=False
        )
    return EnergyInputs(nearest(image), prob, scaled_roi, ignored)


def energy_gate(prob: Tensor, roi: Tensor, unlabelled: Tensor) -> Tensor:
    """G = max(0, R - max_k prob), 1 where nothing is labelled.

    The energy acts where the network is unsure and where no pseudo label
    speaks.

    Args:
        prob: (B, K, h, w), *before* it is multiplied with the region.
        roi: (B, h, w), R.
        unlabelled: (B, h, w) bool.

    Returns:
        (B, h, w) in [0, 1].
    """
    gate = (roi - prob.amax(dim=1)).clamp(min=0)
    return gate.masked_fill(unlabelled, 1.0)


def gated_energy(masked: Tensor, gate: Tensor, filtered: Tensor) -> Tensor:
    """The energy of a given filtered map, with the published gradient.

    Args:
        masked: (B, K, h, w), S = prob * roi.
        gate: (B, h, w), G.
        filtered: (B, K, h, w), A(S), not gated.

    Returns:
        Scalar -sum(S * G * A) / B; its gradient with respect to ``masked`` is
        -2 * G * A / B, none flows to ``gate`` and ``filtered``.
    """
    return _PublishedEnergy.apply(masked, gate.unsqueeze(1) * filtered)


class _PublishedEnergy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, masked: Tensor, gated: Tensor) -> Tensor:
        ctx.save_for_backward(gated)
        return -(masked * gated).sum() / len(masked)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (gated,) = ctx.saved_tensors
        return gated * (grad * (-2.0 / len(gated))), None


def _check_inputs(
    image: Tensor, prob: Tensor, roi: Tensor | None, unlabelled: Tensor
) -> Tensor:
    """Check all four; gives the region, all ones for None."""
    check_images('image', image)
    check_maps('prob', prob, batch=image.shape[0])
    expected = (image.shape[0], *image.shape[-2:])
    if roi is None:
        roi = prob.new_ones(expected)
    planes = dict(prob=prob[:, 0], roi=roi, unlabelled=unlabelled)
    for name, plane in planes.items():
        if not isinstance(plane, Tensor) or plane.shape != expected:
            got = describe(plane)
            raise ValueError(
                f'{name} must have batch and size {expected} of the image, got {got}'
            )
    check_same_device(image=image, prob=prob, roi=roi, unlabelled=unlabelled)
    check_finite(image=image, roi=roi, unlabelled=unlabelled)
    if can_inspect(roi) and not 0 <= float(roi.min()) <= float(roi.max()) <= 1:
        raise ValueError(
            f'roi must lie in [0, 1], got {float(roi.min())}..{float(roi.max())}'
        )
    _check_probabilities(prob.detach())
    return roi


def _check_probabilities(prob: Tensor) -> None:
    if not can_inspect(prob):
        return
    lowest = float(prob.min())
    error = float((prob.sum(dim=1) - 1).abs().max())
    if not (lowest >= 0 and error <= _SUM_TOLERANCE):  # also NaN
        check_finite(prob=prob)
        raise ValueError(
            f'prob must be >= 0 with sum 1 over the classes, got a minimum of '
            f'{lowest:.4g} and sums off by {error:.4g}; apply softmax to logits first'
        )
