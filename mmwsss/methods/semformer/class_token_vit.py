# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.registry import MODELS
from mmwsss.structures import Features


@MODELS.register_module()
class ClassTokenViT(WSSSViT):
    """ViT with one token for each class, whose attention to the patches is a map.

    SemFormer, section 3.3: the class tokens have positions of their own and start as
    copies of the pretrained class token. Images are padded with zeros at the right and
    bottom to whole patches.

    Args:
        num_tokens: K, background included.
        attention_blocks: U, the last blocks whose attention :meth:`encode` can tell;
            the others, and in training all, run fused only.
        **kwargs: see :class:`WSSSViT`; the position embedding of ``pretrained`` is
            resized once to the grid of ``img_size`` and trained at that size.

    Raises:
        ValueError: if there aren't that many blocks.
    """

    #: made of the class token where the pretrained file is a plain ViT
    OWN = ('class_tokens', 'class_pos')

    def __init__(
        self,
        *,
        num_tokens: int,
        attention_blocks: int = 4,
        out_indices: tuple[int, ...] = (-1,),
        **kwargs: Any,
    ) -> None:
        super().__init__(with_cls_token=False, out_indices=out_indices, **kwargs)
        if not 0 <= attention_blocks <= self.num_layers:
            raise ValueError(
                f'attention_blocks={attention_blocks} must be 0 to '
                f'{self.num_layers}, the number of blocks'
            )
        self.attention_blocks = attention_blocks
        self.class_tokens = nn.Parameter(torch.zeros(1, num_tokens, self.embed_dims))
        self.class_pos = nn.Parameter(torch.zeros(1, num_tokens, self.embed_dims))
        for own in (self.class_tokens, self.class_pos):
            trunc_normal_(own, std=0.02)

    @property
    def num_tokens(self) -> int:
        """K, the number of class tokens."""
        return self.class_tokens.shape[1]

    def fit_pretrained(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A plain ViT's weights; its class token and position, once for each class."""
        own = {k: v for k, v in self.state_dict().items() if k in self.OWN}
        if 'cls_token' in state:
            copies = (1, self.num_tokens, 1)
            own['class_tokens'] = state['cls_token'].repeat(copies)
            own['class_pos'] = state['pos_embed'][:, :1].repeat(copies)
        return own | super().fit_pretrained(state)

    def encode(self, images: Tensor, attention: bool | None = None) -> Features:
        """Encode normalised images (B, 3, H, W) of any size.

        Args:
            images: normalised.
            attention: tell the attention; default: outside of training.

        Returns:
            The maps; class tokens (B, K, D) after the final norm; and (B, U, heads, K,
            h, w) the attention of the class tokens to the patches in the last U blocks.
        """
        attention = not self.training if attention is None else attention
        patch = self.patch_embed.projection.stride
        pad = [-side % step for side, step in zip(images.shape[-2:], patch)]
        x, grid = self.patch_embed(F.pad(images, (0, pad[1], 0, pad[0])))
        position = resize_pos_embed(
            self.pos_embed, self.patch_resolution, grid, self.interpolate_mode, 0
        )
        tokens = (self.class_tokens + self.class_pos).expand(x.shape[0], -1, -1)
        x = self.drop_after_pos(torch.cat([tokens, x + position], 1))
        maps, rows = [], []
        told = self.num_layers - (self.attention_blocks if attention else 0)
        for i, layer in enumerate(self.layers):
            if i < told:
                x = layer(x)
            else:
                x, attended = run_block(layer, x, self.num_tokens)
                rows.append(attended.unflatten(-1, grid))
            if i == self.num_layers - 1:
                x = self.ln1(x)
            if i in self.out_indices:
                patches = x[:, self.num_tokens :]
                maps.append(patches.transpose(1, 2).unflatten(2, grid))
        return Features(
            tuple(maps), x[:, : self.num_tokens], torch.stack(rows, 1) if rows else None
        )


def run_block(
    layer: TransformerEncoderLayer, x: Tensor, num_tokens: int
) -> tuple[Tensor, Tensor]:
    """One of mmpretrain's blocks, fused, and its attention of the class tokens.

    Only these K rows of the attention are made.

    Args:
        layer: the block.
        x: (B, K + L, D) its input, class tokens first.
        num_tokens: K.

    Returns:
        The block's output and (B, heads, K, L) attention to the patches, post-softmax
        over all tokens, float32.
    """
    attn = layer.attn
    qkv = attn.qkv(layer.ln1(x)).unflatten(-1, (3, attn.num_heads, -1))
    query, key, value = qkv.permute(2, 0, 3, 1, 4)
    dropout = attn.attn_drop if attn.training else 0.0
    out = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    out = attn.proj_drop(attn.proj(out.transpose(1, 2).flatten(2)))
    x = x + attn.out_drop(attn.gamma1(out))
    rows = (query[:, :, :num_tokens] * attn.head_dims**-0.5) @ key.mT
    return (
        layer.ffn(layer.ln2(x), identity=x),
        rows.float().softmax(-1)[..., num_tokens:],
    )
