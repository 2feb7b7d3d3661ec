# Licensed under Apache-2.0.
from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.backbones import MixVisionTransformer
from mmseg.models.backbones.mit import (
    EfficientMultiheadAttention,
    TransformerEncoderLayer,
)
from mmseg.models.utils import nchw_to_nlc, nlc_to_nchw
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmwsss.cam import at_least
from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.io.errors import check_choice
from mmwsss.models.converters.inflate import INFLATIONS, check_channels, inflated
from mmwsss.registry import MODELS
from mmwsss.structures import Features

from .mit_keys import unwrap_mit

#: of the norms in patch embeddings and spatial reductions; elsewhere 1e-6
EMBED_EPS = 1e-5


@MODELS.register_module()
class WSSSMiT(MixVisionTransformer):
    """mmseg's Mix Transformer (SegFormer) with what WSSS methods need.

    * :meth:`encode` tells the queries and keys of the last blocks, from which AFA's
      affinity comes. The attention itself is fused and never makes the map.
    * Strides default to 4, 2, 2, 1: the last stage keeps the resolution (AFA).
    * Widths and heads of the stages are independent.
    * LayerNorm eps as in the ImageNet weights: 1e-5 in patch embeddings and spatial
      reductions, 1e-6 elsewhere.

    Args:
        embed_dims: width of each stage.
        num_layers, num_heads, strides, sr_ratios: of each stage, as in mmseg.
        drop_path_rate: stochastic depth, rising linearly to this rate.
        attention_blocks: how many of the last stage's blocks tell queries and keys.
        freeze_norm: parameters with "norm" in their published names (all LayerNorms)
            aren't trained, as released for AFA (rate and decay 0).
        pretrained: path or URL of ImageNet weights in mmseg's or SegFormer's layout,
            loaded by :meth:`init_weights`; a file that can't be had or doesn't fit is
            an error, never a random start.
        in_channels: bands of the pictures.
        inflate: how RGB weights of ``pretrained`` are spread over other bands:
            ``'mean'`` or ``'rgb'``, see :func:`.inflate_weight`.
        **kwargs: further arguments of mmseg's ``MixVisionTransformer``.

    Raises:
        ValueError: if settings don't belong together.
    """

    def __init__(
        self,
        *,
        embed_dims: Sequence[int] = (64, 128, 320, 512),
        num_layers: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        strides: Sequence[int] = (4, 2, 2, 1),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        drop_path_rate: float = 0.1,
        attention_blocks: int = 2,
        freeze_norm: bool = False,
        pretrained: str | None = None,
        in_channels: int = 3,
        inflate: str = 'mean',
        **kwargs: Any,
    ) -> None:
        check_choice('inflate', inflate, INFLATIONS)
        _check_stages(embed_dims, num_heads, sr_ratios)
        if not 0 <= attention_blocks <= num_layers[-1]:
            raise ValueError(
                f'attention_blocks={attention_blocks} must be 0 to {num_layers[-1]}, '
                'the blocks of the last stage'
            )
        # mmseg ties a stage's width to its heads; no parameter depends on their number.
        super().__init__(
            embed_dims=1,
            num_heads=list(embed_dims),
            num_layers=list(num_layers),
            strides=list(strides),
            sr_ratios=list(sr_ratios),
            drop_path_rate=drop_path_rate,
            in_channels=in_channels,
            **kwargs,
        )
        self.embed_dims, self.num_heads = tuple(embed_dims), tuple(num_heads)
        self.attention_blocks = attention_blocks
        self.pretrained = pretrained
        self.in_channels, self.inflate = in_channels, inflate
        self._correct_stages()
        if freeze_norm:
            for module in self.modules():
                if isinstance(module, nn.LayerNorm):
                    module.requires_grad_(False)

    @property
    def map_widths(self) -> tuple[int, ...]:
        """Channels of the maps."""
        return self.embed_dims

    @property
    def attention_heads(self) -> int:
        """Heads of each block that tells queries and keys."""
        return self.num_heads[-1]

    def _correct_stages(self) -> None:
        for heads, (embed, blocks, _) in zip(self.num_heads, self.layers, strict=True):
            embed.norm.eps = EMBED_EPS
            for attn in (block.attn for block in blocks):
                attn.num_heads = attn.attn.num_heads = heads
                attn.attn.head_dim = attn.embed_dims // heads
                if attn.sr_ratio > 1:
                    attn.norm.eps = EMBED_EPS

    def init_weights(self) -> None:
        """Initialise, from ``pretrained`` where it is given.

        Raises:
            ValueError: if the file's tensors aren't those of this network.
        """
        super().init_weights()
        if self.pretrained is None:
            return
        loaded = load_checkpoint_file(self.pretrained, map_location='cpu')
        try:
            state = inflated(
                unwrap_mit(loaded),
                'layers.0.0.projection.weight',
                self.in_channels,
                self.inflate,
            )
            self.load_state_dict(state, strict=True)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f'{self.pretrained} does not fit this {type(self).__name__} (widths '
                f'{self.embed_dims}, {self.num_layers} blocks): {error}'
            ) from error

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, 3, H, W) into the maps of the stages.

        ``attention`` is (B, L, 2, heads, N, d): queries and keys of the last L blocks
        over the N = h w tokens of the final map.

        Images too small for a spatial reduction are stretched, but in training.

        Raises:
            ValueError: in training, if an image is too small.
        """
        check_channels(images, self.in_channels)
        if self.training:
            self._check_size(tuple(images.shape[-2:]))
        x, maps = at_least(images, self.smallest_side), []
        taps: list[tuple[Tensor, Tensor]] = []
        for embed, blocks, norm in self.layers:
            x, grid = embed(x)
            taps = []
            for block in blocks:
                x, pair = self._run(block, x, grid)
                taps.append(pair)
            x = nlc_to_nchw(norm(x), grid)
            maps.append(x)
        told = taps[len(taps) - self.attention_blocks :]
        return Features(
            tuple(maps[i] for i in self.out_indices),
            attention=torch.stack([torch.stack(p, 1) for p in told], 1)
            if told
            else None,
        )

    def _run(
        self, block: TransformerEncoderLayer, x: Tensor, grid: tuple[int, int]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        run = functools.partial(run_block, block, grid=grid)
        if self.with_cp and x.requires_grad:
            return checkpoint(run, x, use_reentrant=False)
        return run(x)

    @property
    def smallest_side(self) -> int:
        """Pixels that a side needs, so that each spatial reduction has its tokens."""
        strides = itertools.accumulate(self.strides, operator.mul)
        needed = zip(strides, self.sr_ratios, strict=True)
        return max((ratio - 1) * stride + 1 for stride, ratio in needed)

    def _check_size(self, size: tuple[int, int]) -> None:
        grid = size
        for stage, (stride, ratio) in enumerate(
            zip(self.strides, self.sr_ratios, strict=True)
        ):
            grid = tuple((side - 1) // stride + 1 for side in grid)
            if min(grid) < ratio:
                raise ValueError(
                    f'images of {size} pixels give {grid} tokens in stage {stage + 1}, '
                    f'fewer than its spatial reduction {ratio}: use larger images or '
                    'smaller sr_ratios'
                )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The maps (B, D, h, w) of ``out_indices``, final last."""
        return self.encode(images).maps


def _check_stages(
    widths: Sequence[int], heads: Sequence[int], sr_ratios: Sequence[int]
) -> None:
    wrong = [(w, h) for w, h in zip(widths, heads, strict=True) if w % h]
    if wrong:
        raise ValueError(f'(width, heads) of the stages {wrong}: heads must divide it')
    if sr_ratios[-1] != 1:
        raise ValueError(
            f'sr_ratios={tuple(sr_ratios)} must end with 1: affinity needs queries and '
            'keys of the same tokens'
        )


def run_block(
    block: TransformerEncoderLayer, x: Tensor, grid: tuple[int, int]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One of mmseg's blocks with fused attention.

    Args:
        block: the block.
        x: (B, N, D) tokens.
        grid: (h, w) with h w = N.

    Returns:
        (B, N, D) and the block's queries and keys (B, heads, ·, D / heads).
    """
    attn = block.attn
    query, key, value = project(attn, block.norm1(x), grid)
    dropout = attn.attn.dropout if attn.training else 0.0
    out = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    out = attn.attn.out_proj(out.transpose(1, 2).flatten(2))
    x = x + attn.dropout_layer(attn.proj_drop(out))
    return block.ffn(block.norm2(x), grid, identity=x), (query, key)


def project(
    attn: EfficientMultiheadAttention, x: Tensor, grid: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of the tokens, keys and values of the reduced ones, split into heads.

    Args:
        attn: mmseg's attention, whose weights are used.
        x: (B, N, D) normalised tokens.
        grid: (h, w) with h w = N.

    Returns:
        (B, heads, N, D / heads) queries; keys and values with fewer tokens where there
        is a spatial reduction.
    """
    source, width = x, x.shape[-1]
    if attn.sr_ratio > 1:
        source = attn.norm(nchw_to_nlc(attn.sr(nlc_to_nchw(x, grid))))
    weights = attn.attn.in_proj_weight.split((width, 2 * width))
    biases = (None, None)
    if attn.attn.in_proj_bias is not None:
        biases = attn.attn.in_proj_bias.split((width, 2 * width))
    query = F.linear(x, weights[0], biases[0])
    key, value = F.linear(source, weights[1], biases[1]).chunk(2, dim=-1)
    return tuple(
        t.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2)
        for t in (query, key, value)
    )
