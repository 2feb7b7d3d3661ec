# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model.weight_init import trunc_normal_
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.registry import MODELS
from mmwsss.structures import Features

from .attentive_aggregation import AttentiveAggregation


@MODELS.register_module()
class MaskTokenViT(WSSSViT):
    """ViT whose patches can be masked, with a class token pooled at the end (FSR).

    No class token goes through the blocks. A masked patch is replaced by a learned
    token *before* the position embedding is added, so that it keeps its place. The
    class token is pooled from the last block's output by
    :class:`AttentiveAggregation`; the final norm is applied to it and to the patches.

    Args:
        aggregation: settings of the aggregation: ``depth``, ``key_mask``,
            ``layer_scale``, ``attn_scale``.
        **kwargs: see :class:`WSSSViT`. The class token of ``pretrained`` becomes the
            first query of the aggregation.
    """

    #: made anew where the pretrained file is a plain ViT
    OWN = ('mask_token', 'aggregation.')

    def __init__(
        self, *, aggregation: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(with_cls_token=False, **kwargs)
        self.mask_token = nn.Parameter(torch.zeros(1, self.embed_dims))
        trunc_normal_(self.mask_token, std=0.02)
        self.aggregation = AttentiveAggregation(
            self.embed_dims,
            self.arch_settings['num_heads'],
            self.arch_settings['feedforward_channels'],
            **(aggregation or {}),
        )

    def fit_pretrained(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """A plain ViT's weights, what it lacks taken from this network."""
        own = {k: v for k, v in self.state_dict().items() if k.startswith(self.OWN)}
        if 'cls_token' in state:
            own['aggregation.cls_token'] = state['cls_token']
        return own | super().fit_pretrained(state)

    def encode(
        self,
        images: Tensor,
        mask: Tensor | None = None,
        pool: slice | None = None,
        until: int = -1,
    ) -> Features:
        """Encode normalised images (B, 3, H, W).

        Args:
            images: their sizes needn't be multiples of the patch size.
            mask: (B, h, w) bool, True = masked, or ``None``.
            pool: for which images of the batch the class token is wanted.
            until: the last tap that is wanted (an index of ``out_indices``); what
                comes after it isn't computed.

        Returns:
            The maps up to that tap, and the class tokens (P, D) of the P images of
            ``pool``.

        Raises:
            ValueError: if the mask isn't of the images' token grid; in training, if an
                image is smaller than one patch.
        """
        x, grid = self.patch_embed(self.fit_size(images))
        if mask is not None and tuple(mask.shape) != (len(images), *grid):
            raise ValueError(
                f'a mask of {len(images)} images with {grid[0]}x{grid[1]} tokens must '
                f'be {(len(images), *grid)}, got {tuple(mask.shape)}'
            )
        flat = None if mask is None else mask.flatten(1)
        if flat is not None:
            x = torch.where(flat[..., None], self.mask_token.to(x.dtype), x)
        x = self.drop_after_pos(
            x
            + resize_pos_embed(
                self.pos_embed,
                self.patch_resolution,
                grid,
                self.interpolate_mode,
                self.num_extra_tokens,
            )
        )
        maps, token, last = [], None, self.num_layers - 1
        for i, layer in enumerate(self.layers[: self.out_indices[until] + 1]):
            x = layer(x)
            if i == last:
                if pool is not None:
                    token = self.ln1(
                        self.aggregation(x[pool], None if flat is None else flat[pool])
                    )
                x = self.ln1(x)
            if i in self.out_indices:
                maps.append(x.transpose(1, 2).unflatten(2, grid))
        return Features(tuple(maps), token)
