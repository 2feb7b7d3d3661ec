# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.io.errors import UserError
from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS

#: of ``pos_weight``: by the image labels of the training data
BALANCED = 'balanced'


@in_float32
def multi_label_soft_margin(
    logits: Tensor, label: Tensor, pos_weight: Tensor | None = None
) -> Tensor:
    """Classification from image-level labels (ToCo, Eq. 1: L_cls).

    Mean over classes and images of the binary cross entropy with logits,
    ``-(w y log s(x) + (1 - y) log(1 - s(x)))``, s being the sigmoid.

    Args:
        logits: (B, C) class scores.
        label: (B, C) multi-hot image labels.
        pos_weight: (C,) factors w of the images that hold a class; 1 by default.

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
    label = label.to(logits.dtype)
    if pos_weight is None:
        return F.multilabel_soft_margin_loss(logits, label)
    if pos_weight.shape != logits.shape[1:]:
        raise ValueError(
            f'pos_weight has {len(pos_weight)} entries, and there are '
            f'{logits.shape[1]} classes: give one for each, without the background'
        )
    weight = pos_weight.to(logits.dtype)
    return F.binary_cross_entropy_with_logits(logits, label, pos_weight=weight)


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """Weights with which all classes have as many positives as the most frequent one.

    Args:
        counts: images of each class.

    Returns:
        A weight for each class, 1 or more; 1 for a class without an image.

    Example:
        >>> balanced_weights([100, 2, 0])
        [1.0, 50.0, 1.0]
    """
    most = max(counts, default=0)
    return [most / count if count else 1.0 for count in counts]


@MODELS.register_module()
class MultiLabelSoftMargin(nn.Module):
    """Module form of :func:`multi_label_soft_margin`.

    Args:
        pos_weight: a factor for the images that hold a class: one for each foreground
            class, or ``'balanced'``, see :func:`balanced_weights`, from the image
            labels of the training data, which a run counts at its start; ``None``: 1.

    Raises:
        UserError: for another word, and factors that aren't positive.
    """

    def __init__(self, pos_weight: str | Sequence[float] | None = None) -> None:
        super().__init__()
        self.waits_for_counts = pos_weight == BALANCED
        weight = None
        if pos_weight is not None and not isinstance(pos_weight, Iterable):
            raise UserError(
                f'pos_weight={pos_weight!r}: must be {BALANCED!r}, or a number for '
                f'each class, "[{pos_weight},{pos_weight}]" for two'
            )
        if isinstance(pos_weight, str):
            if pos_weight != BALANCED:
                raise UserError(
                    f'pos_weight={pos_weight!r}: must be {BALANCED!r}, a number for '
                    'each class, or None'
                )
        elif pos_weight is not None:
            if not all(0 < factor < float('inf') for factor in pos_weight):
                raise UserError(f'pos_weight={list(pos_weight)}: all must be above 0')
            weight = torch.tensor(list(pos_weight), dtype=torch.float32)
        self.pos_weight: Tensor | None
        self.register_buffer('pos_weight', weight, persistent=False)

    def use_class_counts(
        self, counts: Sequence[int], device: torch.device | str = 'cpu'
    ) -> list[float]:
        """Take ``'balanced'`` weights from (C,) images of each class; gives them."""
        weights = balanced_weights(counts)
        self.pos_weight = torch.tensor(weights, device=device)
        self.waits_for_counts = False
        return weights

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """See :func:`multi_label_soft_margin`."""
        if self.waits_for_counts:
            raise UserError(
                f'pos_weight={BALANCED!r} of {type(self).__name__} is not counted yet: '
                'keep SetupCheckHook in custom_hooks, which does it at the start of a '
                'training, or give a number for each class'
            )
        return multi_label_soft_margin(logits, label, self.pos_weight)
