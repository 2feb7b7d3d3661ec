# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

from .pairs import DIFFERENT, SAME_BACKGROUND, SAME_FOREGROUND


@in_float32
def pair_affinity_loss(
    affinity: Tensor,
    targets: Tensor,
    weights: Sequence[float] = (0.25, 0.25, 0.5),
    eps: float = 1e-5,
) -> Tensor:
    r"""Affinity loss of AffinityNet and IRNet (CVPR 2019, equations 6 and 7).

    .. math::
        w_b \frac{\sum_{b} -\log(a + \epsilon)}{N_b + \epsilon}
        + w_f \frac{\sum_{f} -\log(a + \epsilon)}{N_f + \epsilon}
        + w_n \frac{\sum_{n} -\log(1 - a + \epsilon)}{N_n + \epsilon}

    over the pairs b of two background pixels, f of one foreground class and n of
    different classes; sums and counts over the batch on this device. A kind without
    pairs counts 0.

    Args:
        affinity: (B, m, h, w) in [0, 1] (:func:`mmwsss.ops.pair_affinity`).
        targets: of the same shape, uint8 (``pair_targets``).
        weights: of background, foreground and different pairs.
        eps: keeps logarithms and means finite.

    Returns:
        0-dim float32 loss >= 0.

    Raises:
        ValueError: if the shapes differ.
    """
    if affinity.shape != targets.shape:
        raise ValueError(
            'affinity and targets must have one shape, got '
            f'{tuple(affinity.shape)} and {tuple(targets.shape)}'
        )
    kinds = (SAME_BACKGROUND, SAME_FOREGROUND, DIFFERENT)
    agreement = torch.where(targets == DIFFERENT, 1 - affinity, affinity)
    # One factor for each pair: the weight of its kind over the number of such pairs.
    factor = torch.zeros_like(affinity)
    for kind, weight in zip(kinds, weights, strict=True):
        of_kind = targets == kind
        factor = torch.where(of_kind, weight / (of_kind.sum() + eps), factor)
    return -(factor * (agreement + eps).log()).sum()


@MODELS.register_module()
class PairAffinityLoss(nn.Module):
    """Module form of :func:`pair_affinity_loss`.

    Args:
        weights: of background, foreground and different pairs.
        eps: see :func:`pair_affinity_loss`.
    """

    def __init__(
        self, weights: Sequence[float] = (0.25, 0.25, 0.5), eps: float = 1e-5
    ) -> None:
        super().__init__()
        if len(weights) != 3 or min(weights) < 0:
            raise ValueError(
                'weights must be three numbers >= 0, of background, '
                f'foreground and different pairs; got {tuple(weights)}'
            )
        self.weights, self.eps = tuple(weights), eps

    def forward(self, affinity: Tensor, targets: Tensor) -> Tensor:
        """See :func:`pair_affinity_loss`."""
        return pair_affinity_loss(affinity, targets, self.weights, self.eps)
