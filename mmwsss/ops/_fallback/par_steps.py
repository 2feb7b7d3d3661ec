# Licensed under Apache-2.0.
"""The affinity of PAR in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmwsss.ops._rings import ring_offsets

from .stencil import shifted

__all__ = ['par_affinity']

_EPS = 1e-8
_NEGLIGIBLE = 1e-20


def par_affinity(
    image: Tensor, dilations: Sequence[int], w1: float, w2: float
) -> Tensor:
    """Weights (B, K, H, W) of a floating (B, C, H, W) image."""
    batch, _, height, width = image.shape
    affinity = image.new_empty(batch, 8 * len(dilations), height, width)
    # One image at a time fits the caches of a CPU.
    step = 1 if image.is_cpu else batch
    for part, out in zip(image.split(step), affinity.split(step), strict=True):
        torch.softmax(_colour_logits(part, dilations, w1), dim=1, out=out)
    # One by one: a tensor of them would be a blocking copy to a GPU.
    for k, weight in enumerate(position_weights(dilations, w1)):
        affinity[:, k].add_(w2 * weight)
    # Products of less make numbers that processors are a hundred times slower with.
    return torch.threshold_(affinity, _NEGLIGIBLE, 0.0)


def position_weights(dilations: Sequence[int], w1: float) -> list[float]:
    """softmax_k(p) of the K neighbours, the same for every pixel."""
    offsets = ring_offsets(dilations)
    distance = [math.hypot(*pair) for pair in zip(offsets[::2], offsets[1::2])]
    mean = sum(distance) / len(distance)
    variance = sum((d - mean) ** 2 for d in distance) / (len(distance) - 1)
    deviation = math.sqrt(variance) + _EPS
    logits = [-((d / deviation / w1) ** 2) for d in distance]
    exponent = [math.exp(logit - max(logits)) for logit in logits]
    return [e / sum(exponent) for e in exponent]


def _colour_logits(image: Tensor, dilations: Sequence[int], w1: float) -> Tensor:
    """a_k of all neighbours, (B, K, H, W), without stacking the neighbours."""
    neighbours = list(shifted(image, ring_offsets(dilations)))
    batch, channels, height, width = image.shape
    # The mean over the channels is part of the bandwidth.
    bandwidth = w1 * math.sqrt(channels)
    inverse = _neighbour_std(neighbours).add_(_EPS).mul_(bandwidth).reciprocal_()
    logits = image.new_zeros(batch, len(neighbours), height, width)
    for neighbour, logit in zip(neighbours, logits.unbind(dim=1), strict=True):
        for ratio in (neighbour - image).mul_(inverse).unbind(dim=1):
            logit.addcmul_(ratio, ratio, value=-1)
    return logits


def _neighbour_std(neighbours: list[Tensor]) -> Tensor:
    """Unbiased deviation over the neighbours, in two passes.

    One pass over squares would lose the small deviations of smooth regions to
    cancellation, and they divide.
    """
    mean = torch.zeros_like(neighbours[0])
    for neighbour in neighbours:
        mean.add_(neighbour)
    mean.div_(len(neighbours))
    total = torch.zeros_like(mean)
    for neighbour in neighbours:
        difference = neighbour - mean
        total.addcmul_(difference, difference)
    return total.div_(len(neighbours) - 1).sqrt_()
