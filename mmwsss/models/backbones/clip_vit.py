# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from mmwsss.io.errors import UserError, check_choice
from mmwsss.models.converters.clip_file import load_clip_file
from mmwsss.models.converters.clip_keys import unwrap_clip_vision
from mmwsss.registry import MODELS
from mmwsss.structures import Features

from .vit import WSSSViT


class LastBlock(NamedTuple):
    """What the last block makes of the stream before it.

    Attributes:
        activation: (B, 1 + N, D) output of the block's first LayerNorm; where gradients
            are on, a leaf that has one.
        tokens: (B, 1 + N, D) the stream after the block, no norm.
        attention: (B, 1 + N, 1 + N) float32 its attention, mean over the heads.
    """

    activation: Tensor
    tokens: Tensor
    attention: Tensor


@MODELS.register_module()
class CLIPViT(WSSSViT):
    """The image encoder of CLIP (a ViT), frozen, its last block apart.

    :meth:`encode` runs all blocks but the last, without gradient. It gives ``Features``

    - ``maps``: for each block of ``out_indices`` the residual stream after it (no norm,
      class token left out) as a map (B, D, h, w), in their order;
    - ``cls_token``: (B, D), the stream's after the last but one block;
    - ``attention``: (B, A, 1 + N, 1 + N) float32, the attention maps of the blocks
      that ``attention_blocks`` names, in their order and without the last block's:
      mean over the heads, class token first, row = query, rows sum to 1;
    - ``extra['stream']``: (B, 1 + N, D), the stream after the last but one block (or
      that of ``stream_block``), which :meth:`last_block` takes.

    :meth:`last_block` runs the last block, also with gradient; :meth:`embed` pools what
    it gives into image vectors in the space of the texts. N = h w, tokens row by row,
    h = H // p. The positions are resized to each grid.

    Source: Radford et al. (CLIP, ICML 2021); taps as in CLIP-ES (CVPR 2023), section 3,
    and WeCLIP (CVPR 2024), section 3.

    Args:
        arch: as in mmpretrain: ``'base'``, ``'large'`` or a dict of widths.
        out_indices: zero-based blocks to tap, ascending, without the last one; default:
            all of them.
        attention_blocks: how many of the last blocks tell their attention, the last one
            counted in; default: all. The others run fused.
        text_dims: E, width of the texts' space.
        stream_block: after which of the blocks before the last one the stream is taken
            that :meth:`last_block` continues: -1 after the last of these; -2: one block
            is left out (WeCLIP+ on VOC, as released).
        position_rounding: ``'half'``: the resized positions are rounded to half
            precision, as released whatever the rest is; ``'none'``: they aren't.
        frozen: nothing of it is trained, and it stays in evaluation mode.
        pretrained: file of weights: OpenAI's (``ViT-B-16.pt``), one in the layout of
            Hugging Face or open_clip, or one of ``tools/model_converters/clip.py``; see
            :func:`.load_clip_file` and :class:`.WSSSViT`.
        **kwargs: further arguments of :class:`.WSSSViT`.

    Raises:
        UserError: if ``out_indices`` or ``attention_blocks`` aren't among the blocks.
    """

    def __init__(
        self,
        *,
        arch: str | dict = 'base',
        out_indices: Sequence[int] | None = None,
        attention_blocks: int | None = None,
        text_dims: int = 512,
        stream_block: int = -1,
        position_rounding: str = 'half',
        frozen: bool = True,
        **kwargs: Any,
    ) -> None:
        check_choice('position_rounding', position_rounding, ('half', 'none'))
        clip: dict[str, Any] = dict(
            pre_norm=True,
            patch_bias=False,
            norm_cfg=dict(type='LN', eps=1e-5),
            layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU')),
            interpolate_mode='bilinear',
        )
        super().__init__(arch=arch, out_indices=(-1,), **(clip | kwargs))
        before = range(self.num_layers - 1)
        taps = list(before if out_indices is None else out_indices)
        if not taps or sorted(set(taps)) != taps or not set(taps) <= set(before):
            raise UserError(
                f'backbone.out_indices={tuple(taps)} must be blocks 0 to '
                f'{self.num_layers - 2}, ascending: the last block has no tap'
            )
        self.out_indices = taps
        told = self.num_layers if attention_blocks is None else attention_blocks
        if not 1 <= told <= self.num_layers:
            raise UserError(
                f'backbone.attention_blocks={told} must be 1 to {self.num_layers}, the '
                'number of blocks'
            )
        self.attention_blocks = told
        if not -len(before) <= stream_block <= -1:
            raise UserError(
                f'backbone.stream_block={stream_block} must be -1 to -{len(before)}'
            )
        self.stream_block = self.num_layers - 1 + stream_block
        self.position_rounding, self.frozen = position_rounding, frozen
        self.proj = nn.Parameter(torch.zeros(self.embed_dims, text_dims))
        nn.init.normal_(self.proj, std=self.embed_dims**-0.5)
        if frozen:
            self.requires_grad_(False)
            self.train(False)

    def load_pretrained(self, file: str) -> Any:
        """What a public file holds, also as TorchScript archive or safetensors."""
        return load_clip_file(file)

    def read_pretrained(self, loaded: Mapping[str, Any]) -> dict[str, Tensor]:
        """The vision tower of a file of weights."""
        return unwrap_clip_vision(loaded)

    def train(self, mode: bool = True) -> CLIPViT:
        """Set the mode; frozen it stays in evaluation mode."""
        super().train(mode and not self.frozen)
        return self

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + N, D) positions of a grid (h, w)."""
        found = resize_pos_embed(
            self.pos_embed, self.patch_resolution, grid, self.interpolate_mode, 1
        )
        if self.position_rounding == 'half':
            found = found.half().to(found.dtype)
        return found

    def embed_patches(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """The stream (B, 1 + N, D) before the first block, and the grid (h, w)."""
        x, grid = self.patch_embed(self.fit_size(images))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
        return self.pre_norm(x + self.positions(grid)), tuple(grid)

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, 3, H, W), see the class."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x, grid = self.embed_patches(images)
            maps, attention, stream = [], [], x
            told = self.num_layers - self.attention_blocks
            for i, layer in enumerate(self.layers[:-1]):
                if i < told:
                    x = layer(x)
                else:
                    x, attended = run_block(layer, x, layer.ln1(x))
                    attention.append(attended)
                if i in self.out_indices:
                    maps.append(self._format_output(x, grid)[0])
                if i == self.stream_block:
                    stream = x
        return Features(
            tuple(maps),
            x[:, 0],
            torch.stack(attention, 1) if attention else None,
            dict(stream=stream),
        )

    def last_block(self, stream: Tensor) -> LastBlock:
        """Run the last block on the stream (B, 1 + N, D) before it.

        Where gradients are on, all that is given depends on ``activation``, which is a
        leaf; the stream counts as constant, as in CLIP-ES (section 3).
        """
        layer = self.layers[-1]
        with torch.no_grad():
            activation = layer.ln1(stream)
        activation.requires_grad_(torch.is_grad_enabled())
        tokens, attention = run_block(layer, stream.detach(), activation)
        return LastBlock(activation, tokens, attention.detach())

    def embed(self, tokens: Tensor, pool: str = 'patches') -> Tensor:
        """Image vectors in the space of the texts, not normalised.

        Args:
            tokens: (B, 1 + N, D) after the last block, no norm.
            pool: ``'patches'``: the mean of the patches' tokens (CLIP-ES, WeCLIP), or
                ``'cls'``: the class token (CLIP's own).

        Returns:
            (B, E).
        """
        check_choice('pool', pool, ('patches', 'cls'))
        x = self.ln1(tokens)
        return (x[:, 0] if pool == 'cls' else x[:, 1:].mean(1)) @ self.proj


def run_block(layer: nn.Module, x: Tensor, normed: Tensor) -> tuple[Tensor, Tensor]:
    """One of mmpretrain's blocks, and its attention.

    Args:
        layer: the block.
        x: (B, L, D) the stream before it.
        normed: (B, L, D) its first LayerNorm of the stream.

    Returns:
        The stream after the block and (B, L, L) float32 attention, mean over the heads.
    """
    attn = layer.attn
    qkv = attn.qkv(normed).unflatten(-1, (3, attn.num_heads, -1))
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    attention = ((query * attn.head_dims**-0.5) @ key.mT).float().softmax(-1)
    out = (attention.to(value.dtype) @ value).transpose(1, 2).flatten(2)
    x = x + attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(out))))
    return layer.ffn(layer.ln2(x), identity=x), attention.mean(1)
