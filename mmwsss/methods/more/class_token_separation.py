# Licensed under Apache-2.0.
from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.precision import in_float32
from mmwsss.registry import MODELS


@in_float32
def class_token_separation(
    tokens: Tensor, temperature: float = 0.07, labels: Tensor | None = None
) -> Tensor:
    """Pushes class tokens apart: L_mct (MoRe's release, after MCTformer).

    The cross entropy of each unit token's similarities to all, over the temperature,
    against itself; the mean over images and all C classes.

    Args:
        tokens: (B, C, D).
        temperature: of the similarities.
        labels: (B, C) multi-hot image labels: then half of the loss is the
            classification of the unit tokens' channel means; ``None``: no such half.

    Returns:
        0-dim float32 loss; ln C where all tokens are equal.

    Raises:
        ValueError: if the temperature isn't positive.
    """
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    unit = F.normalize(tokens, dim=-1)
    logits = unit @ unit.mT / temperature
    apart = -logits.log_softmax(-1).diagonal(dim1=-2, dim2=-1).mean()
    if labels is None:
        return apart
    classified = F.multilabel_soft_margin_loss(unit.mean(-1), labels.to(unit.dtype))
    return 0.5 * classified + 0.5 * apart


@MODELS.register_module()
class ClassTokenSeparation(nn.Module):
    """Module form of :func:`class_token_separation`.

    Args:
        temperature: of the similarities.
        classify: half of it is a classification of the tokens (COCO's published log).
    """

    def __init__(self, temperature: float = 0.07, classify: bool = False) -> None:
        super().__init__()
        self.temperature, self.classify = temperature, classify

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """See :func:`class_token_separation`."""
        given = labels if self.classify else None
        return class_token_separation(tokens, self.temperature, given)
