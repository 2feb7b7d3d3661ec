# Licensed under Apache-2.0.
from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model.weight_init import trunc_normal_
from torch import Tensor, nn

NORM_EPS = 1e-6
KEY_MASKS = ('none', '-inf', 'paper')
SCALES = ('head', 'width')


class MaskedCrossAttention(nn.Module):
    """Attention of a class token over patch tokens (FSR, Eq. 6 and 7).

    Args:
        width: D.
        num_heads: heads, D / heads channels each.
        key_mask: what masked patches mean for the scores: ``'none'`` nothing (latest
            release), ``'-inf'`` they get no weight (first release, and what the text
            says), ``'paper'`` their score is 0 (Eq. 7 as printed).
        attn_scale: scores are divided by the root of the ``'head'``'s width
            (released) or of the whole ``'width'`` (Eq. 7).
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        key_mask: str = 'none',
        attn_scale: str = 'head',
    ) -> None:
        super().__init__()
        if key_mask not in KEY_MASKS:
            raise ValueError(f'key_mask must be one of {KEY_MASKS}, got {key_mask!r}')
        if attn_scale not in SCALES:
            raise ValueError(f'attn_scale must be one of {SCALES}, got {attn_scale!r}')
        if width % num_heads:
            raise ValueError(f'width={width} is no multiple of num_heads={num_heads}')
        self.num_heads, self.key_mask = num_heads, key_mask
        self.scale = (width if attn_scale == 'width' else width // num_heads) ** -0.5
        self.q, self.k, self.v, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(
        self, token: Tensor, patches: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Attend.

        Args:
            token: (B, 1, D) normed class token; it doesn't attend to itself.
            patches: (B, N, D) normed patch tokens.
            mask: (B, N) bool, True = masked, or ``None``.

        Returns:
            (B, 1, D).
        """
        q, k, v = (
            layer(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for layer, x in ((self.q, token), (self.k, patches), (self.v, patches))
        )
        allowed = None
        if mask is not None and self.key_mask == 'paper':
            # (1 - M) (q k^T) = q ((1 - M) k)^T
            k = k.masked_fill(mask[:, None, :, None], 0)
        elif mask is not None and self.key_mask == '-inf':
            # Where all is masked, nothing is: a softmax over nothing is NaN.
            allowed = ~mask | mask.all(1, keepdim=True)
            allowed = allowed[:, None, None, :]
        out = F.scaled_dot_product_attention(q, k, v, allowed, scale=self.scale)
        return self.proj(out.transpose(1, 2).flatten(2))


class AggregationBlock(nn.Module):
    """Masked cross-attention and a feed-forward layer, pre-norm (FSR, Eq. 5).

    Args:
        width: D.
        num_heads: of the attention.
        hidden: width of the feed-forward layer.
        layer_scale: initial value of a factor per channel on both branches (first
            release: 0.1), or ``None``: without.
        key_mask, attn_scale: see :class:`MaskedCrossAttention`.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden: int,
        layer_scale: float | None = None,
        key_mask: str = 'none',
        attn_scale: str = 'head',
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = MaskedCrossAttention(width, num_heads, key_mask, attn_scale)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, hidden),
                act=nn.GELU(),
                fc2=nn.Linear(hidden, width),
            )
        )
        self.gamma1 = self.gamma2 = 1.0
        if layer_scale is not None:
            self.gamma1 = nn.Parameter(torch.full((width,), float(layer_scale)))
            self.gamma2 = nn.Parameter(torch.full((width,), float(layer_scale)))

    def forward(
        self, token: Tensor, patches: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Update the class token; shapes as in :class:`MaskedCrossAttention`."""
        # one norm for the class token and the patches
        token = token + self.gamma1 * self.attn(
            self.norm1(token), self.norm1(patches), mask
        )
        return token + self.gamma2 * self.mlp(self.norm2(token))


class AttentiveAggregation(nn.Module):
    """Pool patch tokens into one class token by attention (FSR, "Certain Feature
    Aggregation").

    The query starts as a learned vector without position; the patch tokens are the
    same in every block.

    Args:
        width: D.
        num_heads: heads of the attention.
        hidden: width of the feed-forward layers.
        depth: number of blocks (2 as published).
        **options: see :class:`AggregationBlock`.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden: int,
        depth: int = 2,
        **options: Any,
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(
            AggregationBlock(width, num_heads, hidden, **options) for _ in range(depth)
        )
        trunc_normal_(self.cls_token, std=0.02)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, patches: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool.

        Args:
            patches: (B, N, D) tokens of the last block, not normed.
            mask: (B, N) bool, True = masked, or ``None``.

        Returns:
            (B, D), not normed.
        """
        token = self.cls_token.expand(len(patches), -1, -1)
        for block in self.blocks:
            token = block(token, patches, mask)
        return token[:, 0]
