# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.cam import IGNORE, resize
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def pixel_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Plain cross entropy over the labelled pixels (L_seg as FSR's paper prints it).

    Without any labelled pixel it is 0 with zero gradient.

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
    loss = F.cross_entropy(logits, label, ignore_index=IGNORE, reduction='sum')
    return loss / (label != IGNORE).sum().clamp_min(1)


@MODELS.register_module()
class PixelCrossEntropy(nn.Module):
    """Module form of :func:`pixel_cross_entropy`."""

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`pixel_cross_entropy`."""
        return pixel_cross_entropy(logits, label)
