# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.models.backbones.vit import WSSSViT
from mmwsss.registry import MODELS
from mmwsss.structures import Features


@MODELS.register_module()
class QueryKeyViT(WSSSViT):
    """A plain ViT that tells the queries and keys of its last blocks, for AFA.

    The attention itself stays fused and never makes the map.

    Args:
        attention_blocks: how many of the last blocks tell queries and keys.
        **kwargs: see :class:`.WSSSViT`.

    Raises:
        ValueError: if there aren't that many blocks.
    """

    def __init__(self, *, attention_blocks: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= attention_blocks <= self.num_layers:
            raise ValueError(
                f'attention_blocks={attention_blocks} must be 0 to {self.num_layers}, '
                'the number of blocks'
            )
        self.attention_blocks = attention_blocks

    @property
    def attention_heads(self) -> int:
        """Heads of each block that tells queries and keys."""
        return self.layers[-1].attn.num_heads

    def encode(self, images: Tensor) -> Features:
        """Encode normalised images (B, N, H, W).

        ``attention`` is (B, L, 2, heads, N, d): queries and keys of the last L blocks
        over the N = h w patches of the final map, without the class token.
        """
        told = self.layers[self.num_layers - self.attention_blocks :]
        with _outputs([block.attn.qkv for block in told]) as projected:
            features = super().encode(images)
        return features._replace(
            attention=torch.stack(list(map(self._pair, projected)), 1)
            if projected
            else None
        )

    def _pair(self, projected: Tensor) -> Tensor:
        """Queries and keys (B, 2, heads, N, d) of a block's (B, 1 + N, 3 D)."""
        patches = projected[:, self.num_extra_tokens :]
        split = patches.unflatten(-1, (3, self.attention_heads, -1))
        return split[:, :, :2].permute(0, 2, 3, 1, 4)


@contextmanager
def _outputs(layers: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """What the layers give while the context is open, in the order of their calls."""
    found: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda _, args, output: found.append(output))
        for layer in layers
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
