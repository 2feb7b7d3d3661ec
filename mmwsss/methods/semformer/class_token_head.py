# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class ClassTokenHead(BaseModule):
    """A linear layer for each class token (SemFormer, before Eq. 12).

    With bias and ReLU, as released; the paper has neither.

    Args:
        in_channels: d' of the class tokens.
        num_classes: K, background included.
        channels: D of the class embeddings.
    """

    def __init__(self, in_channels: int, num_classes: int, channels: int = 256) -> None:
        super().__init__()
        bound = in_channels**-0.5  # as nn.Linear
        self.weight = nn.Parameter(
            torch.empty(num_classes, in_channels, channels).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(
            torch.empty(num_classes, channels).uniform_(-bound, bound)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, K, d') class tokens → (B, K, D) embeddings, non-negative."""
        weight, bias = (p.to(tokens.dtype) for p in (self.weight, self.bias))
        return (torch.einsum('bkd,kde->bke', tokens, weight) + bias).relu()
