# Licensed under Apache-2.0.
"""Pixel-adaptive refinement (PAR) of score maps.

Source: Ru et al., "Learning Affinity from Attention: End-to-End
Weakly-Supervised Semantic Segmentation with Transformers" (CVPR 2022),
section 3.3, and the ToCo (CVPR 2023) refinement built on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._checks import (
    check_dilations,
    check_finite,
    check_images,
    check_iterations,
    check_maps,
    check_same_device,
    check_sigma,
    compute_dtype,
)

__all__ = ['PAR', 'par', 'par_affinity', 'par_propagate']

DILATIONS = (1, 2, 4, 8, 12, 24)
_RING = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
_EPS = 1e-8


def par_affinity(
    image: Tensor,
    dilations: Sequence[int] = DILATIONS,
    w1: float = 0.3,
    w2: float = 0.01,
) -> Tensor:
    r"""Weights between each pixel and its K = 8 * len(dilations) neighbours.

    .. math::
        a_k = \mathrm{mean}_c -\Big(\frac{|I_k - I_0|}{w_1 (\sigma + 10^{-8})}\Big)^2,
        \quad
        p_k = -\Big(\frac{d_k}{w_1 (\sigma_d + 10^{-8})}\Big)^2, \quad
        \text{weight} = \mathrm{softmax}_k(a) + w_2\, \mathrm{softmax}_k(p)

    with :math:`\sigma` the unbiased deviation of the K neighbour values per
    pixel and channel. The weights of a pixel sum to 1 + w2. They depend on the
    image alone: compute them once and propagate every stack of maps with them.
    The affinity is a constant for autograd.

    Args:
        image: (B, C, H, W), any range (the formula is scale free), floating
            or uint8. Half precision is computed in float32.
        dilations: Distances of the 3x3 rings in pixels. They may exceed the
            image, the border is replicated.
        w1: Bandwidth, > 0.
        w2: Weight of the position term, >= 0.

    Returns:
        (B, K, H, W), float32 (float64 for a float64 image). Neighbours are
        ordered by dilation, then row-major over the ring.

    Raises:
        ValueError: Wrong rank, dtype, empty size, non-finite values (CPU
            only) or parameters out of range.
    """
    dilations = check_dilations(dilations)
    check_images('image', image, channels=None)
    check_sigma(w1=w1)
    if not 0 <= w2 < float('inf'):
        raise ValueError(f'w2 must be a finite number >= 0, got {w2}')
    check_finite(image=image)
    with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
        image = image.to(compute_dtype(image))
        affinity = _colour_logits(image, dilations, w1).softmax(dim=1)
        # One by one: a tensor of them would be a blocking copy to a GPU.
        for k, weight in enumerate(_position_weights(dilations, w1)):
            affinity[:, k].add_(w2 * weight)
        return affinity


def par_propagate(
    affinity: Tensor,
    masks: Tensor,
    dilations: Sequence[int] = DILATIONS,
    num_iters: int = 10,
) -> Tensor:
    r"""Replace each score ``num_iters`` times by its neighbours' weighted sum.

    One iteration is :math:`m_i \leftarrow \sum_k \text{weight}_{ik} m_{i+k}`,
    with the border replicated.

    Args:
        affinity: (B, K, H, W) from :func:`par_affinity`, same ``dilations``.
        masks: (B, C, H, W) score maps, any number of channels.
        dilations: As given to :func:`par_affinity`; K = 8 * len(dilations).
        num_iters: Number of iterations, >= 0.

    Returns:
        (B, C, H, W), float32 (float64 when an input is float64).
        Differentiable in ``masks`` and ``affinity``.

    Raises:
        ValueError: Shapes, devices or parameters that don't fit together.
    """
    dilations = check_dilations(dilations)
    check_iterations('num_iters', num_iters)
    check_maps('affinity', affinity)
    check_maps('masks', masks, batch=affinity.shape[0])
    if affinity.shape[1] != 8 * len(dilations):
        raise ValueError(
            f'affinity has {affinity.shape[1]} neighbours, but the dilations '
            f'{dilations} give {8 * len(dilations)}'
        )
    if affinity.shape[-2:] != masks.shape[-2:]:
        raise ValueError(
            f'masks of size {tuple(masks.shape[-2:])} need an affinity of the '
            f'same size, got {tuple(affinity.shape[-2:])}'
        )
    check_same_device(affinity=affinity, masks=masks)
    check_finite(masks=masks)
    with torch.autocast(masks.device.type, enabled=False):
        dtype = compute_dtype(affinity, masks)
        affinity, masks = affinity.to(dtype), masks.to(dtype)
        if masks.is_cuda or len(masks) == 1:
            return _propagate(affinity, masks, dilations, num_iters)
        # One image at a time fits the caches of a CPU: a quarter faster.
        pairs = zip(affinity.split(1), masks.split(1), strict=True)
        return torch.cat([_propagate(a, m, dilations, num_iters) for a, m in pairs])


def par(
    image: Tensor,
    masks: Tensor,
    dilations: Sequence[int] = DILATIONS,
    num_iters: int = 10,
    w1: float = 0.3,
    w2: float = 0.01,
) -> Tensor:
    """Refine score maps with the image: affinity plus propagation.

    Masks of another size are first resized to the image, bilinear with
    ``align_corners=True`` (the published choice).

    Args:
        image: (B, 3, H, W).
        masks: (B, C, h, w).
        dilations: See :func:`par_affinity`.
        num_iters: See :func:`par_propagate`.
        w1: See :func:`par_affinity`.
        w2: See :func:`par_affinity`.

    Returns:
        (B, C, H, W), float32 (float64 when an input is float64).

    Raises:
        ValueError: As the two functions it calls.
    """
    check_images('image', image, channels=None)
    check_maps('masks', masks, batch=image.shape[0])
    check_same_device(image=image, masks=masks)
    affinity = par_affinity(image, dilations, w1, w2)
    masks = masks.to(compute_dtype(image, masks))
    if masks.shape[-2:] != image.shape[-2:]:
        masks = F.interpolate(
            masks, size=image.shape[-2:], mode='bilinear', align_corners=True
        )
    return par_propagate(affinity, masks, dilations, num_iters)


class PAR(nn.Module):
    """:func:`par` with its parameters kept; no weights, no state.

    Args:
        dilations: See :func:`par_affinity`.
        num_iters: See :func:`par_propagate`.
        w1: See :func:`par_affinity`.
        w2: See :func:`par_affinity`.
    """

    def __init__(
        self,
        dilations: Sequence[int] = DILATIONS,
        num_iters: int = 10,
        w1: float = 0.3,
        w2: float = 0.01,
    ) -> None:
        super().__init__()
        self.dilations = check_dilations(dilations)
        check_iterations('num_iters', num_iters)
        self.num_iters = num_iters
        self.w1 = w1
        self.w2 = w2

    def forward(self, image: Tensor, masks: Tensor) -> Tensor:
        """Refine ``masks`` (B, C, h, w) with ``image`` (B, 3, H, W)."""
        return par(image, masks, self.dilations, self.num_iters, self.w1, self.w2)

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return (
            f'dilations={self.dilations}, num_iters={self.num_iters}, '
            f'w1={self.w1}, w2={self.w2}'
        )


def _neighbours(maps: Tensor, dilations: tuple[int, ...]) -> list[Tensor]:
    """K shifted (B, C, H, W) views of the map, padded once by replication."""
    height, width = maps.shape[-2:]
    pad = max(dilations)
    padded = F.pad(maps, (pad, pad, pad, pad), mode='replicate')
    return [
        padded[
            ..., pad + d * y : pad + d * y + height, pad + d * x : pad + d * x + width
        ]
        for d in dilations
        for y, x in _RING
    ]


def _propagate(
    affinity: Tensor, masks: Tensor, dilations: tuple[int, ...], num_iters: int
) -> Tensor:
    for _ in range(num_iters):
        result = torch.zeros_like(masks)
        for k, neighbour in enumerate(_neighbours(masks, dilations)):
            result.addcmul_(affinity[:, k : k + 1], neighbour)
        masks = result
    return masks


def _colour_logits(image: Tensor, dilations: tuple[int, ...], w1: float) -> Tensor:
    """a_k of all neighbours, (B, K, H, W), without stacking the neighbours."""
    neighbours = _neighbours(image, dilations)
    inverse = _neighbour_std(neighbours).add_(_EPS).mul_(w1).reciprocal_()
    logits = image.new_empty(image.shape[0], len(neighbours), *image.shape[-2:])
    for k, neighbour in enumerate(neighbours):
        logits[:, k] = (neighbour - image).mul_(inverse).square_().mean(dim=1)
    return logits.neg_()


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


def _position_weights(dilations: tuple[int, ...], w1: float) -> list[float]:
    """softmax_k(p) of the K neighbours, the same for every pixel."""
    distance = [d * math.sqrt(y * y + x * x) for d in dilations for y, x in _RING]
    mean = sum(distance) / len(distance)
    variance = sum((d - mean) ** 2 for d in distance) / (len(distance) - 1)
    deviation = math.sqrt(variance) + _EPS
    logits = [-((d / deviation / w1) ** 2) for d in distance]
    exponent = [math.exp(logit - max(logits)) for logit in logits]
    return [e / sum(exponent) for e in exponent]
