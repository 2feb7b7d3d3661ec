# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.cam import IGNORE, resize
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def balanced_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Half background, half foreground cross entropy (L_seg of ToCo, AFA and FSR).

    ``0.5 * mean CE over label 0 + 0.5 * mean CE over labels 1..C``, each mean over its
    own pixels of the whole batch on this device. An empty half counts 0 with zero
    gradient (a plain mean over nothing is NaN and poisons the step).

    Args:
        logits: (B, C + 1, h, w); resized bilinearly to the label.
        label: (B, H, W) int64 class ids, 255 = ignore.

    Returns:
        0-dim float32 loss.

    Raises:
        ValueError: if batch sizes or ranks differ.
    """
    if logits.dim() != 4 or label.dim() != 3 or len(logits) != len(label):
        raise ValueError(
            f'logits must be (B, C + 1, h, w) and label (B, H, W), got '
            f'{tuple(logits.shape)} and {tuple(label.shape)}'
        )
    logits = resize(logits, tuple(label.shape[-2:]))
    loss = F.cross_entropy(logits, label, ignore_index=IGNORE, reduction='none')
    background = label == 0
    foreground = (label != 0) & (label != IGNORE)
    return 0.5 * sum(
        (loss * half).sum() / half.sum().clamp_min(1)
        for half in (background, foreground)
    )


@MODELS.register_module()
class BalancedCrossEntropy(nn.Module):
    """Module form of :func:`balanced_cross_entropy`."""

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`balanced_cross_entropy`."""
        return balanced_cross_entropy(logits, label)
