# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def multi_label_soft_margin(logits: Tensor, label: Tensor) -> Tensor:
    """Classification from image-level labels (ToCo, Eq. 1: L_cls).

    Mean over classes and images of the binary cross entropy with logits.

    Args:
        logits: (B, C) class scores.
        label: (B, C) multi-hot image labels.

    Returns:
        0-dim float32 loss.

    Raises:
        ValueError: if the shapes differ.
    """
    if logits.shape != label.shape:
        raise ValueError(
            f'logits {tuple(logits.shape)} and image labels {tuple(label.shape)} '
            'must have the same shape (B, C): is num_classes of the model that of '
            'the data set?'
        )
    return F.multilabel_soft_margin_loss(logits, label.to(logits.dtype))


@MODELS.register_module()
class MultiLabelSoftMargin(nn.Module):
    """Module form of :func:`multi_label_soft_margin`."""

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`multi_label_soft_margin`."""
        return multi_label_soft_margin(logits, label)
