# Licensed under Apache-2.0.
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class ActivationHead(BaseModule):
    """Activation of every class at every patch, background included (SemFormer, Eq. 5).

    Args:
        in_channels: D of the map.
        num_classes: foreground classes C; the head has C + 1 outputs, background first.
        in_index: which of the backbone's maps.
        token_dropout: share of the patches dropped as a whole in training; the others
            are divided by what is left. (Released: 0.5, by a channel dropout on (B, L,
            D); the paper: 0.)

    Raises:
        ValueError: if ``token_dropout`` isn't in [0, 1).
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        in_index: int = -1,
        token_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if not 0 <= token_dropout < 1:
            raise ValueError(f'token_dropout must be in [0, 1), got {token_dropout}')
        self.in_index = in_index
        self.token_dropout = token_dropout
        self.classifier = nn.Linear(in_channels, num_classes + 1)

    def activation(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w), background first, float32; drops patches in
        training."""
        x = maps[self.in_index]
        if self.training and self.token_dropout:
            keep = 1 - self.token_dropout
            x = x * (torch.rand_like(x[:, :1], dtype=torch.float32) < keep) / keep
        return self.classifier(x.movedim(1, -1)).movedim(-1, 1).float()

    def dense(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C, h, w) of the objects with gradient, without dropout."""
        weight, bias = self.classifier.weight[1:, :, None, None], self.classifier.bias
        return nn.functional.conv2d(maps[self.in_index], weight, bias[1:]).float()

    def cam(self, maps: tuple[Tensor, ...]) -> Tensor:
        """CAM logits (B, C, h, w) of the objects, without gradient and dropout."""
        return self.dense(maps).detach()

    def forward(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Class logits (B, C): an object is in the image where any patch shows it.

        No published part: SemFormer's inference is given the image labels.
        """
        return self.cam(maps).amax((-2, -1))
