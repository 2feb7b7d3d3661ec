# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TokenFusion(nn.Module):
    """Maps of several blocks fused into one (WeCLIP, section 3.2).

    Each map goes through two linear layers of its own with a ReLU between them; a 1×1
    convolution over all results, in the order of the maps, makes one of them. No norm,
    no resize.

    Args:
        in_channels: D of each map.
        channels: d of the result.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, channels), nn.ReLU(), nn.Linear(channels, channels)
            )
            for width in in_channels
        )
        self.merge = nn.Conv2d(len(in_channels) * channels, channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, D, h, w) of one grid → (B, d, h, w)."""
        grid = maps[0].shape[-2:]
        found = [
            projection(one.flatten(2).mT).mT
            for projection, one in zip(self.projections, maps, strict=True)
        ]
        return self.merge(torch.cat(found, 1).unflatten(2, grid))
