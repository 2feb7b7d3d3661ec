# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE, resize
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

#: added to the sum of both areas
EPS = 1e-7


@in_float32
def soft_dice_loss(logits: Tensor, label: Tensor, count_ignored: bool = True) -> Tensor:
    r"""Soft dice loss over all classes (WeCLIP+).

    .. math:: 1 - \mathrm{mean}_c \frac{2 \sum p_c y_c}{\sum p_c + \sum y_c + 10^{-7}}

    p is the softmax of the logits, y one-hot; the sums go over the pixels of the whole
    batch on this device. A class that the batch hasn't got gives a dice of 0.

    Args:
        logits: (B, C + 1, h, w); resized bilinearly to the label.
        label: (B, H, W) int64 class ids, 255 = ignore.
        count_ignored: whether ignored pixels count in the sum of p, as released.

    Returns:
        0-dim float32 loss in [0, 1].

    Raises:
        ValueError: if batch sizes or ranks differ.
    """
    if logits.dim() != 4 or label.dim() != 3 or len(logits) != len(label):
        raise ValueError(
            f'logits must be (B, C + 1, h, w) and label (B, H, W), got '
            f'{tuple(logits.shape)} and {tuple(label.shape)}'
        )
    prob = resize(logits, tuple(label.shape[-2:])).softmax(1)
    classes = torch.arange(logits.shape[1], device=label.device)[:, None, None]
    hot = (label[:, None] == classes).to(prob.dtype)  # nothing where 255
    if not count_ignored:
        prob = prob * (label != IGNORE)[:, None]
    axes = (0, 2, 3)
    dice = 2 * (prob * hot).sum(axes) / (prob.sum(axes) + hot.sum(axes) + EPS)
    return 1 - dice.mean()


@MODELS.register_module()
class SoftDiceLoss(nn.Module):
    """Module form of :func:`soft_dice_loss`.

    Args:
        count_ignored: see there.
    """

    def __init__(self, count_ignored: bool = True) -> None:
        super().__init__()
        self.count_ignored = count_ignored

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`soft_dice_loss`."""
        return soft_dice_loss(logits, label, self.count_ignored)
