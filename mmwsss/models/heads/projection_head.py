# Licensed under Apache-2.0.
from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.model.weight_init import trunc_normal_
from torch import Tensor, nn

from mmwsss.registry import MODELS


class UnitRowLinear(nn.Module):
    """Weight-normalised linear layer without bias whose gain is fixed (usually 1).

    The rows of the effective matrix are ``weight_g * weight_v / ‖weight_v‖``, so that
    the outputs for a unit input are cosines.

    Args:
        in_features, out_features: widths.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(out_features, 1), requires_grad=False)
        self.weight_v = nn.Parameter(nn.Linear(in_features, out_features).weight.data)

    def forward(self, x: Tensor) -> Tensor:
        """(…, in_features) → (…, out_features)."""
        norm = self.weight_v.norm(dim=1, keepdim=True)
        return F.linear(x, self.weight_v * (self.weight_g / norm))


@MODELS.register_module()
class ProjectionHead(BaseModule):
    """DINO-style projection head (ToCo, section 3.3; FSR, Eq. 1).

    Linear layers with GELU between them, L2 normalisation, then a weight-normalised
    linear layer; nothing is normalised after it.

    Args:
        in_channels: D of the token.
        hidden_channels, bottleneck_channels, out_channels: 2048, 256, 1024 (ToCo),
            4096 (FSR); without ``out_channels``, ``None``, there is no last layer, and
            the outputs are the unit vectors (SeCo).
        num_layers: linear layers before the normalisation.

    The published init is truncated normal 0.02 and zero bias.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 2048,
        bottleneck_channels: int = 256,
        out_channels: int | None = 1024,
        num_layers: int = 3,
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f'num_layers must be at least 1, got {num_layers}')
        hidden = [hidden_channels] * (num_layers - 1)
        widths = [in_channels, *hidden, bottleneck_channels]
        layers = [nn.Linear(*pair) for pair in pairwise(widths)]
        self.mlp = nn.Sequential(
            *[part for layer in layers for part in (layer, nn.GELU())][:-1]
        )
        self.last_layer: nn.Module = nn.Identity()
        if out_channels is not None:
            self.last_layer = UnitRowLinear(bottleneck_channels, out_channels)
        for layer in layers:
            trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def embed(self, tokens: Tensor) -> Tensor:
        """(…, in_channels) → unit vectors (…, bottleneck_channels).

        The rest, ``last_layer``, is linear: of a mean it gives the mean.
        """
        return F.normalize(self.mlp(tokens), dim=-1, eps=1e-12)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, in_channels) → (…, out_channels)."""
        return self.last_layer(self.embed(tokens))
