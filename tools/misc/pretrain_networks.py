# Licensed under Apache-2.0.
"""Networks and losses of tools/misc/pretrain_tiny.py: what is learned from pictures
whose textures are known, and from a teacher's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.datasets.shapes.patterns import OUTLINES, PATTERNS
from mmwsss.structures import Features, encode

NO_TEXTURE = -1
RARE = -2.0


class Pictures(NamedTuple):
    """Pictures (N, 3, S, S) uint8 with texture and outline ids (N,), -1 = empty."""

    images: Tensor
    textures: Tensor
    outlines: Tensor


class PretrainNet(nn.Module):
    """A network with classifiers on its class token and on its last two maps.

    Where there is no class token (MiT), the mean of the final map stands for it.
    """

    def __init__(self, backbone: nn.Module, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        textures, widths = len(PATTERNS), backbone.embed_dims
        inner, width = (widths,) * 2 if isinstance(widths, int) else widths[-2:]
        self.texture_head = nn.Linear(width, textures)
        self.outline_head = nn.Linear(width, len(OUTLINES))
        self.inner_head = nn.Linear(inner, textures)
        self.inner_tile_head = nn.Linear(inner, textures)
        self.final_tile_head = nn.Linear(width, textures)
        for head in (self.inner_tile_head, self.final_tile_head):
            nn.init.constant_(head.bias, RARE)  # most textures are absent from a tile
        self.matcher = teacher and Matcher((inner, width), teacher)

    def single_loss(self, images: Tensor, batch: Pictures, inner: bool) -> Tensor:
        """Cross-entropies on single pictures; empty ones don't count."""
        features = encode(self.backbone, images)
        there, token = batch.textures != NO_TEXTURE, class_token(features)
        pairs = [
            (self.texture_head(token), batch.textures),
            (self.outline_head(token), batch.outlines),
        ]
        if inner:
            pooled = features.maps[-2].amax((2, 3))
            pairs.append((self.inner_head(pooled), batch.textures))
        return sum(
            F.cross_entropy(logits.float()[there], labels[there], label_smoothing=0.05)
            for logits, labels in pairs
        )

    def tile_logits(
        self, maps: Sequence[Tensor], shift: tuple[int, int]
    ) -> list[Tensor]:
        """Token logits (tiles, tokens of a tile, textures), inner and final."""
        heads = (self.inner_tile_head, self.final_tile_head)
        return [
            head(tile_tokens(tokens, shift)).float()
            for head, tokens in zip(heads, maps[-2:], strict=True)
        ]

    def tile_loss(
        self, images: Tensor, textures: Tensor, shift: tuple[int, int]
    ) -> Tensor:
        """Multiple-instance loss of mosaics, see the module's text."""
        maps = encode(self.backbone, roll(images, shift, 8)).maps
        there = (textures != NO_TEXTURE)[:, None]
        target = F.one_hot(textures.clamp(min=0), len(PATTERNS)).float() * there
        losses = []
        inner, final = self.tile_logits(maps, shift)
        for logits, share in ((inner, 4), (final, 2)):
            pooled = strongest(logits, share)
            loss = F.binary_cross_entropy_with_logits(pooled, target, reduction='none')
            losses.append(loss.sum(1).mean())
        return losses[0] + 0.5 * losses[1]

    def match_loss(self, images: Tensor, shift: tuple[int, int]) -> Tensor:
        """Error of the teacher's tokens on shifted mosaics."""
        images = roll(images, shift, 8)
        return self.matcher(encode(self.backbone, images).maps, images)


class Matcher(nn.Module):
    """Linear maps of a network's last two maps onto those of a frozen teacher.

    Both networks must have the same token grid there.
    """

    def __init__(self, widths: Sequence[int], teacher: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher.eval().requires_grad_(False)
        self.heads = nn.ModuleList(nn.Linear(w, teacher.embed_dims) for w in widths)
        for head in self.heads:  # random ones first teach that all tokens be alike
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, maps: Sequence[Tensor], images: Tensor) -> Tensor:
        """Mean squared error of standardised tokens; 1 is that of a constant.

        A constant would otherwise do well, because the teacher's tokens are alike.
        """
        with torch.no_grad():
            targets = encode(self.teacher, images).maps[-2:]
        return torch.stack(
            [
                F.mse_loss(head(own.flatten(2).mT), standardise(goal.flatten(2).mT))
                for head, own, goal in zip(self.heads, maps[-2:], targets, strict=True)
            ]
        ).mean()


def standardise(tokens: Tensor) -> Tensor:
    """Tokens (B, N, D) with mean 0 and variance 1 over B and N in every channel."""
    var, mean = torch.var_mean(tokens, (0, 1))
    return (tokens - mean) / (var + 1e-6).sqrt()


def class_token(features: Features) -> Tensor:
    """(B, D) class token, or the mean of the final map."""
    if features.cls_token is not None:
        return features.cls_token
    return features.maps[-1].mean((2, 3))


def strongest(logits: Tensor, share: int) -> Tensor:
    """Mean over the strongest ``1 / share`` of the tokens, per class."""
    return logits.topk(logits.shape[1] // share, 1).values.mean(1)


def roll(maps: Tensor, shift: tuple[int, int], unit: int = 1) -> Tensor:
    """Shift maps (B, D, H, W) cyclically by whole patches."""
    return torch.roll(maps, (shift[0] * unit, shift[1] * unit), (2, 3))


def mosaic(tiles: Tensor) -> Tensor:
    """(4 B, 3, S, S) pictures → (B, 3, 2 S, 2 S)."""
    side = tiles.shape[-1]
    grid = tiles.unflatten(0, (-1, 2, 2)).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(-1, 3, 2 * side, 2 * side)


def tile_tokens(tokens: Tensor, shift: tuple[int, int]) -> Tensor:
    """Token maps (B, D, h, w) of shifted mosaics → (4 B, h w / 4, D)."""
    back = roll(tokens, (-shift[0], -shift[1]))
    parts = back.unflatten(3, (2, -1)).unflatten(2, (2, -1))  # B D 2 h/2 2 w/2
    return parts.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2).flatten(1, -2)
