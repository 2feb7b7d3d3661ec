# Licensed under Apache-2.0.
"""Unary energies of the dense CRF, in the three forms the field uses."""

from __future__ import annotations

import math
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_maps,
    check_memory,
    check_sigma,
    compute_dtype,
    describe,
)

__all__ = [
    'CollapsedLabels',
    'collapse_labels',
    'label_unary',
    'prob_from_cam',
    'unary_from_cam',
    'unary_from_labels',
    'unary_from_log_prob',
    'unary_from_prob',
]

_FLOOR = 1e-5
_ABOVE_ZERO = 1e-3  # rounding of half precision
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class CollapsedLabels(NamedTuple):
    """A label map in which all labels that occur nowhere share one row.

    Attributes:
        labels: (B, H, W) int64, row of each pixel's label.
        row_of_label: (n,) int64, row of each of the n labels.
        multiplicity: (m,) float32, how many labels each row stands for.
    """

    labels: Tensor
    row_of_label: Tensor
    multiplicity: Tensor


def unary_from_prob(prob: Tensor) -> Tensor:
    """-log(clip(p, 1e-5, 1)).

    Args:
        prob: (B, n, H, W), >= 0; they need not sum to 1.

    Returns:
        (B, n, H, W) energies, float32 (float64 for float64 input).

    Raises:
        ValueError: Wrong rank or dtype, negative or non-finite values.
    """
    check_maps('prob', prob)
    check_finite(prob=prob)
    _check_not_negative('prob', prob)
    return prob.to(compute_dtype(prob)).clamp(_FLOOR, 1.0).log().neg()


def unary_from_log_prob(log_prob: Tensor) -> Tensor:
    """-max(log p, log 1e-5): :func:`unary_from_prob` without the way over exp.

    Args:
        log_prob: (B, n, H, W), log probabilities, <= 0 (``log_softmax`` of logits).

    Returns:
        (B, n, H, W) energies, float32 (float64 for float64 input).

    Raises:
        ValueError: Wrong rank or dtype, NaN, values > 0.
    """
    check_maps('log_prob', log_prob)
    if can_inspect(log_prob):
        highest = float(log_prob.detach().max())
        if not highest <= _ABOVE_ZERO:  # also NaN
            raise ValueError(
                f'log_prob must be <= 0, got a maximum of {highest:.6g}; apply '
                f'log_softmax to logits first'
            )
    return log_prob.to(compute_dtype(log_prob)).clamp(math.log(_FLOOR), 0.0).neg()


def prob_from_cam(cam: Tensor, alpha: float) -> Tensor:
    """[(1 - max_k cam_k)^alpha, cam_1, ..., cam_m], not renormalised.

    Args:
        cam: (B, m, H, W), normalised CAM of the present classes, in [0, 1].
        alpha: Exponent of the background, > 0; larger means less background.

    Returns:
        (B, m + 1, H, W), background first.

    Raises:
        ValueError: Wrong rank or dtype, CAM outside [0, 1], alpha <= 0.
    """
    check_maps('cam', cam)
    check_finite(cam=cam)
    check_sigma(alpha=alpha)
    _check_not_negative('cam', cam)
    if can_inspect(cam) and float(cam.detach().max()) > 1:
        raise ValueError(
            f'cam must lie in [0, 1], got a maximum of {float(cam.max()):.6g}; '
            f'normalise it first'
        )
    cam = cam.to(compute_dtype(cam))
    background = (1.0 - cam.amax(dim=1, keepdim=True)).pow(alpha)
    return torch.cat([background, cam], dim=1)


def unary_from_cam(cam: Tensor, alpha: float) -> Tensor:
    """:func:`unary_from_prob` of :func:`prob_from_cam`, (B, m + 1, H, W)."""
    return unary_from_prob(prob_from_cam(cam, alpha))


def unary_from_labels(
    labels: Tensor, num_labels: int, confidence: float = 0.7
) -> Tensor:
    """-log g for the given label, -log((1 - g) / (n - 1)) for all others.

    Args:
        labels: (B, H, W) integers in 0..num_labels-1.
        num_labels: n >= 1, background included.
        confidence: g, in (0, 1).

    Returns:
        (B, n, H, W) float32 energies.

    Raises:
        ValueError: Wrong rank or dtype, labels out of range (also 255: give
            unsure pixels a label first), confidence out of range.
    """
    _check_labels(labels, num_labels)
    return label_unary(labels, num_labels, num_labels, confidence)


def label_unary(
    labels: Tensor, num_rows: int, num_labels: int, confidence: float
) -> Tensor:
    """Energies of ``num_rows`` rows that stand for ``num_labels`` labels."""
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise ValueError(f'confidence must lie in (0, 1), got {confidence!r}')
    others = max(num_labels - 1, 1)
    batch, height, width = labels.shape
    check_memory(f'{num_rows} labels', 4 * num_rows * labels.numel(), labels.device)
    unary = torch.full(
        (batch, num_rows, height, width),
        -math.log((1.0 - confidence) / others),
        dtype=torch.float32,
        device=labels.device,
    )
    return unary.scatter_(1, labels.long().unsqueeze(1), -math.log(confidence))


def collapse_labels(labels: Tensor, num_labels: int) -> CollapsedLabels:
    """Give all labels that no pixel of the batch holds one common row.

    Their energies are the same everywhere, so one row with its multiplicity in
    the normaliser is exact, and two or three times faster.

    Args:
        labels: (B, H, W) integers in 0..num_labels-1.
        num_labels: n >= 1.

    Returns:
        Rows of the present labels in ascending order, then (when a label is
        absent) one row for all absent ones.

    Raises:
        ValueError: Wrong rank or dtype, labels out of range.
    """
    _check_labels(labels, num_labels)
    present = torch.unique(labels.long())
    absent = num_labels - len(present)
    row_of_label = torch.full((num_labels,), len(present), device=labels.device)
    row_of_label[present] = torch.arange(len(present), device=labels.device)
    counts = [1.0] * len(present) + ([float(absent)] if absent else [])
    multiplicity = torch.tensor(counts, device=labels.device)
    return CollapsedLabels(row_of_label[labels.long()], row_of_label, multiplicity)


def _check_labels(labels: Tensor, num_labels: int) -> None:
    if not isinstance(labels, Tensor) or labels.dim() != 3 or labels.numel() == 0:
        got = describe(labels)
        raise ValueError(f'labels must be a non-empty (B, H, W) tensor, got {got}')
    if labels.is_meta:
        raise ValueError(f'labels must hold data, got a tensor on {labels.device}')
    if labels.dtype not in _INTEGERS:
        raise ValueError(f'labels must be integers, got {labels.dtype}')
    is_count = isinstance(num_labels, int) and not isinstance(num_labels, bool)
    if not is_count or num_labels < 1:
        raise ValueError(f'num_labels must be an integer >= 1, got {num_labels!r}')
    check_memory(f'{num_labels} labels', 8 * num_labels, labels.device)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_labels:
        raise ValueError(
            f'labels must lie in 0..{num_labels - 1}, got {low}..{high}; '
            + ('replace 255 (ignore) by a label' if high == 255 else 'raise num_labels')
        )


def _check_not_negative(name: str, values: Tensor) -> None:
    values = values.detach()
    if can_inspect(values) and float(values.min()) < 0:
        raise ValueError(f'{name} must be >= 0, got {float(values.min()):.6g}')
