# Licensed under Apache-2.0.
"""Deviations and weights of the terms of a dense CRF, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_images,
    check_number,
    check_same_device,
    check_same_size,
    check_sigma,
    compute_dtype,
    is_number,
)

__all__ = ['CRFTerms', 'Deviation', 'Weight', 'read_terms']

Deviation: TypeAlias = float | Sequence[float]
Weight: TypeAlias = float | Sequence[float] | Tensor
MAX_WEIGHT = 1e6


class CRFTerms(NamedTuple):
    """The terms as the operator takes them.

    Attributes:
        stds: (x, y) of the Gaussian term, (x, y, r, g, b) of the bilateral one.
        features: (B, d, H * W) features of further terms.
        weights: Of the Gaussian, the bilateral and the further terms.
        compats: For each term a tensor (0,), or (n,) or (n, n) rewards in place
            of a weight, which is 1 then.
    """

    stds: list[float]
    features: list[Tensor]
    weights: list[float]
    compats: list[Tensor]


def read_terms(
    settings: Mapping[str, Any],
    extra_terms: Sequence[tuple[Tensor, Weight]],
    images: Tensor,
    unary: Tensor,
) -> CRFTerms:
    """Check deviations, weights and features.

    Args:
        settings: ``pos_xy_std``, ``pos_w``, ``bi_xy_std``, ``bi_rgb_std``, ``bi_w``.
        extra_terms: Pairs of (B, d, H, W) features and a weight.
        images: (B, 3, H, W).
        unary: (B, n, H, W).

    Raises:
        ValueError: One of them is of the wrong shape or range.
    """
    stds = [
        *_deviations('pos_xy_std', settings['pos_xy_std'], 2),
        *_deviations('bi_xy_std', settings['bi_xy_std'], 2),
        *_deviations('bi_rgb_std', settings['bi_rgb_std'], 3),
    ]
    if not isinstance(extra_terms, Sequence) or any(
        not isinstance(term, Sequence) or len(term) != 2 for term in extra_terms
    ):
        raise ValueError('extra_terms must be a list of pairs (features, weight)')
    names = ['pos_w', 'bi_w', *(f'extra_terms[{i}]' for i in range(len(extra_terms)))]
    given = [settings['pos_w'], settings['bi_w'], *(w for _, w in extra_terms)]
    pairs = [_weight(n, w, unary) for n, w in zip(names, given, strict=True)]
    features = []
    for name, (maps, _) in zip(names[2:], extra_terms, strict=True):
        check_images(name, maps, channels=None)
        check_same_size(images, maps, 'images', name)
        check_same_device(images=images, **{name: maps})
        check_finite(**{name: maps})
        if len(maps) != len(images):
            raise ValueError(f'{name} has {len(maps)} maps for {len(images)} images')
        features.append(maps.detach().float().flatten(2))
    return CRFTerms(stds, features, [w for w, _ in pairs], [c for _, c in pairs])


def _deviations(name: str, value: Deviation, count: int) -> list[float]:
    if isinstance(value, np.ndarray | Tensor):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        values = list(value)
    else:
        values = [value] * count
    if len(values) != count:
        raise ValueError(f'{name} must be one number or {count}, got {value!r}')
    for entry in values:
        check_sigma(**{name: entry})
    return [float(entry) for entry in values]


def _weight(name: str, value: Weight, unary: Tensor) -> tuple[float, Tensor]:
    """A number and (0,), or 1 and the rewards of a vector or matrix."""
    if is_number(value):
        check_number(name, value)
        if abs(value) > MAX_WEIGHT:
            raise ValueError(f'{name} must lie within +-{MAX_WEIGHT:.0e}, got {value}')
        return float(value), unary.new_empty(0, dtype=compute_dtype(unary))
    try:
        rewards = torch.as_tensor(value, dtype=compute_dtype(unary))
        rewards = rewards.detach().to(unary.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f'{name} must be numbers that can be put on {unary.device}, got {value!r}'
        ) from error
    labels = unary.shape[1]
    if tuple(rewards.shape) not in ((labels,), (labels, labels)):
        raise ValueError(
            f'{name} must be a number, ({labels},) weights or a ({labels}, {labels}) '
            f'matrix of penalties, got shape {tuple(rewards.shape)}'
        )
    check_finite(**{name: rewards})
    if can_inspect(rewards) and float(rewards.abs().max()) > MAX_WEIGHT:
        raise ValueError(f'{name} must lie within +-{MAX_WEIGHT:.0e}')
    return 1.0, (rewards if rewards.dim() == 1 else -rewards).contiguous()
