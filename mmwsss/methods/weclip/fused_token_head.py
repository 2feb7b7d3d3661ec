# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS

from .token_fusion import TokenFusion


@MODELS.register_module()
class FusedTokenHead(BaseDecodeHead):
    """Decoder on the maps of all blocks of a frozen transformer (WeCLIP, section 3.2).

    :meth:`fuse` makes one map of them, with dropout of whole channels; :meth:`decode`
    runs transformer blocks of CLIP's kind over its tokens (pre-norm, QuickGELU, no
    positions, no class token, no final norm) and a 1×1 classifier.

    Args:
        in_channels: D of each map.
        channels: d of the tokens.
        num_classes: C + 1, background included.
        in_index: which of the backbone's maps; ``None``: all of them.
        depth: number of blocks.
        num_heads: of their attention.
        dropout_ratio: of the channels of the fused map.
        **kwargs: further arguments of mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int = 256,
        *,
        num_classes: int,
        in_index: int | Sequence[int] | None = None,
        depth: int = 3,
        num_heads: int = 8,
        dropout_ratio: float = 0.1,
        **kwargs: Any,
    ) -> None:
        widths = [in_channels] if isinstance(in_channels, int) else list(in_channels)
        if in_index is None:
            in_index = range(len(widths))
        index = [in_index] if isinstance(in_index, int) else list(in_index)
        ignore_255 = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
        kwargs = dict(init_cfg=None, loss_decode=ignore_255) | kwargs
        super().__init__(
            widths,
            channels,
            num_classes=num_classes,
            in_index=index,
            input_transform='multiple_select',
            dropout_ratio=dropout_ratio,
            **kwargs,
        )
        self.fusion = TokenFusion(widths, channels)
        block = dict(
            norm_cfg=dict(type='LN', eps=1e-5),
            act_cfg=dict(type='mmpretrain.QuickGELU'),
        )
        self.blocks = nn.ModuleList(
            TransformerEncoderLayer(channels, num_heads, 4 * channels, **block)
            for _ in range(depth)
        )
        self.start_weights()

    def init_weights(self) -> None:
        """Initialise as released: what mmengine would do to the blocks isn't that."""
        self.start_weights()
        self._is_init = True

    def start_weights(self) -> None:
        """PyTorch's defaults; the blocks' queries, keys and values Xavier-uniform."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.LayerNorm):
                module.reset_parameters()
        for block in self.blocks:
            nn.init.xavier_uniform_(block.attn.qkv.weight)
            nn.init.zeros_(block.attn.qkv.bias)
            nn.init.zeros_(block.attn.proj.bias)

    def fuse(self, maps: Sequence[Tensor]) -> Tensor:
        """The backbone's maps → fused map F (B, d, h, w), in training with dropout."""
        fused = self.fusion(self._transform_inputs(maps))
        return fused if self.dropout is None else self.dropout(fused)

    def decode(self, fused: Tensor) -> Tensor:
        """Fused map (B, d, h, w) → logits (B, C + 1, h, w)."""
        tokens = fused.flatten(2).mT
        for block in self.blocks:
            tokens = block(tokens)
        return self.conv_seg(tokens.mT.unflatten(2, fused.shape[-2:]))

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w) on the token grid, of the backbone's maps."""
        return self.decode(self.fuse(inputs))
