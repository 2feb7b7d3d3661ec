# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.converters.dinov2_keys import unwrap_dinov2
from mmwsss.registry import MODELS
from mmwsss.structures import Features

from .vit import WSSSViT


@MODELS.register_module()
class DINOv2ViT(WSSSViT):
    """DINOv2's ViT: patches of 14 pixels, a learned scale of each block's branches.

    Positions are resized to each grid as published: bicubic, by the factor
    (h + 0.1) / 37 without register tokens; with them by size, antialiased.

    Source: Oquab et al. (DINOv2, TMLR 2024); registers: Darcet et al. (ICLR 2024).

    Args:
        arch: as in mmpretrain: ``'dinov2-s'``, or ``'base'``, ``'large'``.
        img_size: of the stored positions, 518 in the public files.
        num_registers: tokens that no output holds, 4 or 0.
        pretrained: a public file, its own or mmpretrain's layout.
        **kwargs: further arguments of :class:`.WSSSViT`.
    """

    def __init__(
        self,
        *,
        arch: str | dict = 'dinov2-s',
        img_size: int = 518,
        patch_size: int = 14,
        num_registers: int = 0,
        **kwargs: Any,
    ) -> None:
        settings: dict[str, Any] = dict(out_indices=(-1,), layer_scale_init_value=1e-5)
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            **(settings | kwargs),
        )
        self.register_tokens = None
        if num_registers:
            self.register_tokens = nn.Parameter(
                torch.zeros(1, num_registers, self.embed_dims)
            )

    def read_pretrained(self, loaded: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of a public file."""
        return unwrap_dinov2(loaded)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + N, D) positions for a grid (h, w)."""
        stored = tuple(self.patch_resolution)
        if grid == stored:
            return self.pos_embed
        own, patches = self.pos_embed.float().split([1, stored[0] * stored[1]], 1)
        table = patches.unflatten(1, stored).permute(0, 3, 1, 2)
        if self.register_tokens is None:
            factors = [(new + 0.1) / old for new, old in zip(grid, stored, strict=True)]
            found = F.interpolate(table, scale_factor=factors, mode='bicubic')
        else:
            found = F.interpolate(table, grid, mode='bicubic', antialias=True)
        return torch.cat([own, found.flatten(2).mT], 1).to(self.pos_embed.dtype)

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, 3, H, W) into maps and the class token."""
        x, grid = self.patch_embed(self.fit_size(images))
        grid = tuple(grid)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        x = x + self.positions(grid)
        extra = 0
        if self.register_tokens is not None:
            registers = self.register_tokens.expand(len(x), -1, -1)
            x, extra = torch.cat([x[:, :1], registers, x[:, 1:]], 1), registers.shape[1]
        maps = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i == self.num_layers - 1:
                x = self.ln1(x)
            if i in self.out_indices:
                maps.append(x[:, 1 + extra :].mT.unflatten(2, grid))
        return Features(tuple(maps), x[:, 0])
