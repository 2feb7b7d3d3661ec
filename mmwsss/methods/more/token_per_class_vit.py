# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from mmwsss.io.errors import UserError
from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.registry import MODELS
from mmwsss.structures import Features


@MODELS.register_module()
class TokenPerClassViT(WSSSViT):
    """ViT with a token for each class and some spare ones (MoRe, after MCTformer).

    All tokens take part in every block; the spare ones, which come first, are dropped
    at the end. Tokens and patches have one trained table of positions. It starts from a
    plain ViT: each token as a copy of its class token, the positions of the classes as
    copies of that token's, those of the spare ones drawn from a normal of standard
    deviation 1, cut at ±2.

    For a picture of another grid than the table's the positions of the patches are
    resized at each pass, by factors as released; see :func:`resized_positions`.

    Args:
        num_tokens: K, foreground classes.
        spare_tokens: how many more there are.
        class_attention: tell how the last block's class tokens attend to the patches.
        **kwargs: see :class:`.WSSSViT`.

    Raises:
        ValueError: if there would be no class token.
    """

    pos_embed: nn.Parameter

    def __init__(
        self,
        *,
        num_tokens: int,
        spare_tokens: int = 4,
        class_attention: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_tokens < 1 or spare_tokens < 0:
            raise UserError(
                'backbone.num_tokens must be 1 or more and backbone.spare_tokens 0 or '
                f'more, got {num_tokens} and {spare_tokens}'
            )
        self.num_tokens, self.spare_tokens = num_tokens, spare_tokens
        self.class_attention = class_attention
        # mmpretrain's own table is for one class token
        trained, patches = self.pos_embed.requires_grad, self.pos_embed.shape[1] - 1
        tokens = num_tokens + spare_tokens
        self.num_extra_tokens = tokens
        self.cls_token = nn.Parameter(torch.zeros(1, tokens, self.embed_dims))
        self.pos_embed = nn.Parameter(
            torch.zeros(1, tokens + patches, self.embed_dims), requires_grad=trained
        )
        for own in (self.cls_token, self.pos_embed):
            trunc_normal_(own, std=0.02)

    def init_weights(self) -> None:
        """Initialise, from ``pretrained`` where it is given."""
        super().init_weights()
        if self.pretrained is None:
            with torch.no_grad():
                self.pos_embed[:, : self.spare_tokens] = self.spare_positions()

    def spare_positions(self) -> Tensor:
        """(1, S, D) positions of the spare tokens, drawn."""
        drawn = torch.empty(1, self.spare_tokens, self.embed_dims)
        return nn.init.trunc_normal_(drawn, std=1.0, a=-2.0, b=2.0)

    def fit_pretrained(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A plain ViT's weights, with copies of its class token and that's position."""
        state = super().fit_pretrained(state)
        if state['cls_token'].shape[1] != 1:  # has tokens of classes already
            return state
        tokens, positions = state['cls_token'], state['pos_embed']
        grid = resize_pos_embed(  # by size, and nothing where the grids are equal
            positions,
            (round((positions.shape[1] - 1) ** 0.5),) * 2,
            self.patch_resolution,
            self.interpolate_mode,
            1,
        )[:, 1:]
        copies = positions[:, :1].expand(-1, self.num_tokens, -1)
        return state | dict(
            cls_token=tokens.repeat(1, self.num_extra_tokens, 1),
            pos_embed=torch.cat([self.spare_positions(), copies, grid], 1),
        )

    def positions(self, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
        """(1, S + K + N, D) positions for pictures of (H, W) pixels, (h, w) tokens."""
        stored = tuple(self.patch_resolution)
        if size[0] == size[1] and grid[0] * grid[1] == stored[0] * stored[1]:
            return self.pos_embed  # as released: square in pixels
        tokens, patches = self.pos_embed.split(
            [self.num_extra_tokens, stored[0] * stored[1]], 1
        )
        return torch.cat([tokens, resized_positions(patches, stored, grid)], 1)

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, 3, H, W) of any size.

        Returns:
            The maps; class tokens (B, K, D) after the final norm, without the spare
            ones; and, if ``class_attention``, (B, K, h, w) queries of the last block's
            class tokens times keys of its patches, summed over the heads: before scale
            and softmax, and without gradient.
        """
        images = self.fit_size(images)
        x, grid = self.patch_embed(images)
        x = torch.cat([self.cls_token.to(x.dtype).expand(len(x), -1, -1), x], 1)
        x = self.drop_after_pos(x + self.positions(tuple(images.shape[-2:]), grid))
        maps, attention, last = [], None, self.num_layers - 1
        for i, layer in enumerate(self.layers):
            if i == last and self.class_attention:
                attention = self.attended(layer, x).unflatten(-1, grid)
            x = layer(x)
            if i == last:
                x = self.ln1(x)
            if i in self.out_indices:
                patches = x[:, self.num_extra_tokens :]
                maps.append(patches.transpose(1, 2).unflatten(2, grid))
        classes = x[:, self.spare_tokens : self.num_extra_tokens]
        return Features(tuple(maps), classes, attention)

    @torch.no_grad()
    def attended(self, layer: nn.Module, x: Tensor) -> Tensor:
        """(B, K, N) raw attention of the class tokens in a block, see :meth:`encode`.

        Over all heads it is one product over the whole width.
        """
        query, key, _ = layer.attn.qkv(layer.ln1(x)).chunk(3, -1)
        classes = query[:, self.spare_tokens : self.num_extra_tokens]
        return (classes @ key[:, self.num_extra_tokens :].mT).float()


def resized_positions(
    positions: Tensor, stored: tuple[int, int], grid: tuple[int, int]
) -> Tensor:
    """Positions of patches for another grid, bicubic, by factors (MoRe as released).

    The factor (h + 0.1) / h_0 and not the ratio of the sizes says where is read: token
    i reads at (i + 0.5) / factor − 0.5.

    Args:
        positions: (1, h_0 w_0, D).
        stored: (h_0, w_0).
        grid: (h, w).

    Returns:
        (1, h w, D).
    """
    table = positions.unflatten(1, stored).permute(0, 3, 1, 2)
    factors = [(new + 0.1) / old for new, old in zip(grid, stored, strict=True)]
    found = F.interpolate(table, scale_factor=factors, mode='bicubic')
    return found.flatten(2).transpose(1, 2)
