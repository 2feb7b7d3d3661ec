# Licensed under Apache-2.0.
from __future__ import annotations

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
    """DINO-style projection head (ToCo sheet, section 1.2).

    Linear, GELU, Linear, GELU, Linear, L2 normalisation, then a weight-normalised
    linear layer; nothing is normalised after it.

    Args:
        in_channels: D of the token.
        hidden_channels, bottleneck_channels, out_channels: 2048, 256, 1024 (ToCo).

    The published init is truncated normal 0.02 and zero bias.
    """

    def __init__(self, in_channels: int, hidden_channels: int = 2048,
                 bottleneck_channels: int = 256, out_channels: int = 1024) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, hidden_channels), nn.GELU(),
            nn.Linear(hidden_channels, hidden_channels), nn.GELU(),
            nn.Linear(hidden_channels, bottleneck_channels))
        self.last_layer = UnitRowLinear(bottleneck_channels, out_channels)
        for layer in self.mlp[::2]:
            trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, in_channels) → (…, out_channels)."""
        return self.last_layer(F.normalize(self.mlp(tokens), dim=-1, eps=1e-12))
