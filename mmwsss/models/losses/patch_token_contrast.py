# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

NORM_FLOOR = 1e-8


@in_float32
def patch_token_contrast(tokens: Tensor, targets: Tensor) -> Tensor:
    r"""Patch-token contrast L_ptc (ToCo, Eq. 6, as released).

    .. math::
        \tfrac12\Bigl(1 - \frac{\sum_{+}|\cos|}{N^+ + 1}\Bigr)
        + \tfrac12\frac{\sum_{-}|\cos|}{N^- + 1}

    with sums and counts over all pairs of the batch on this device. Without any
    labelled pair it is 0.5.

    Args:
        tokens: (B, D, h, w) final token map.
        targets: (B, hw, hw) uint8 pair labels: 1 similar, 0 dissimilar, 255 ignored
            (:func:`mmwsss.cam.affinity_targets`).

    Returns:
        0-dim float32 loss in [0, 1].

    Raises:
        ValueError: if the shapes don't belong together.
    """
    batch, count = len(tokens), tokens.shape[2:].numel()
    if tokens.dim() != 4 or targets.shape != (batch, count, count):
        raise ValueError(
            f'tokens (B, D, h, w) = {tuple(tokens.shape)} need targets (B, hw, hw), '
            f'got {tuple(targets.shape)}'
        )
    flat = F.normalize(tokens.flatten(2), dim=1, eps=NORM_FLOOR)
    similarity = (flat.transpose(1, 2) @ flat).abs()
    positive = (targets == 1).to(similarity.dtype)
    negative = (targets == 0).to(similarity.dtype)
    attract = 1 - (positive * similarity).sum() / (positive.sum() + 1)
    repel = (negative * similarity).sum() / (negative.sum() + 1)
    return 0.5 * attract + 0.5 * repel


@MODELS.register_module()
class PatchTokenContrast(nn.Module):
    """Module form of :func:`patch_token_contrast`."""

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """See :func:`patch_token_contrast`."""
        return patch_token_contrast(tokens, targets)
