# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def affinity_loss(affinity: Tensor, targets: Tensor) -> Tensor:
    r"""Affinity loss L_aff (AFA, CVPR 2022, as released; WeCLIP).

    .. math::
        \tfrac12\frac{\sum_{+}(1 - p)}{N^+ + 1}
        + \tfrac12\frac{\sum_{-} p}{N^- + 1}

    with sums and counts over all pairs of the batch on this device. Without any
    labelled pair it is 0.

    Args:
        affinity: (B, N, N) probabilities p in (0, 1).
        targets: (B, N, N) uint8 pair labels: 1 same class, 0 different, 255 ignored
            (:func:`mmwsss.cam.affinity_targets`).

    Returns:
        0-dim float32 loss in [0, 1).

    Raises:
        ValueError: if the shapes differ.
    """
    if affinity.shape != targets.shape:
        raise ValueError(
            f'affinity and targets must both be (B, N, N), got '
            f'{tuple(affinity.shape)} and {tuple(targets.shape)}'
        )
    positive = (targets == 1).to(affinity.dtype)
    negative = (targets == 0).to(affinity.dtype)
    attract = (positive * (1 - affinity)).sum() / (positive.sum() + 1)
    repel = (negative * affinity).sum() / (negative.sum() + 1)
    return 0.5 * attract + 0.5 * repel


@MODELS.register_module()
class AffinityLoss(nn.Module):
    """Module form of :func:`affinity_loss`."""

    def forward(self, affinity: Tensor, targets: Tensor) -> Tensor:
        """See :func:`affinity_loss`."""
        return affinity_loss(affinity, targets)
