# Licensed under Apache-2.0.
"""Pixel-adaptive refinement (PAR) of score maps.

Source: Ru et al., "Learning Affinity from Attention: End-to-End
Weakly-Supervised Semantic Segmentation with Transformers" (CVPR 2022),
section 3.3, and the ToCo (CVPR 2023) refinement built on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._checks import (
    can_inspect,
    check_dilations,
    check_finite,
    check_images,
    check_iterations,
    check_maps,
    check_number,
    check_same_device,
    check_sigma,
    compute_dtype,
)
from ._rings import ring_offsets
from ._schema import kernels

__all__ = ['PAR', 'par', 'par_affinity', 'par_propagate']

DILATIONS = (1, 2, 4, 8, 12, 24)
MIN_W1 = 1e-6
MAX_VALUE = 1e9  # beyond, squares of ratios leave float32


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
        image: (B, C, H, W), any range up to 1e9 (the formula is scale free),
            floating or uint8. Half precision is computed in float32.
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
    if w1 < MIN_W1:
        raise ValueError(f'w1 must be >= {MIN_W1}, got {w1}')
    check_number('w2', w2)
    if w2 < 0:
        raise ValueError(f'w2 must be >= 0, got {w2}')
    check_finite(image=image)
    if can_inspect(image) and float(image.detach().abs().max()) > MAX_VALUE:
        raise ValueError(f'image must lie within +-{MAX_VALUE:.0e}; scale it down')
    with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
        image = image.to(compute_dtype(image)).contiguous()
        return kernels.par_affinity(image, dilations, w1, w2)


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
    check_finite(affinity=affinity, masks=masks)
    return _propagate(affinity, masks, dilations, num_iters)


def _propagate(
    affinity: Tensor, masks: Tensor, dilations: Sequence[int], num_iters: int
) -> Tensor:
    with torch.autocast(masks.device.type, enabled=False):
        dtype = compute_dtype(affinity, masks)
        affinity = affinity.to(dtype).contiguous()
        masks = masks.to(dtype).contiguous()
        if num_iters == 0:
            return masks.clone()
        return kernels.propagate(affinity, masks, ring_offsets(dilations), num_iters)


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
    check_iterations('num_iters', num_iters)
    check_same_device(image=image, masks=masks)
    check_finite(masks=masks)
    affinity = par_affinity(image, dilations, w1, w2)
    masks = masks.to(compute_dtype(image, masks))
    if masks.shape[-2:] != image.shape[-2:]:
        masks = F.interpolate(
            masks, size=image.shape[-2:], mode='bilinear', align_corners=True
        )
    return _propagate(affinity, masks, dilations, num_iters)


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
