# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads import SegformerHead
from torch import Tensor

from mmwsss.cam import resize
from mmwsss.registry import MODELS


@MODELS.register_module()
class MLPHead(SegformerHead):
    """SegFormer's decoder as published: mmseg's without norm and ReLU in each stage.

    A linear layer for each stage, all resized to the first, fused by a 1×1 convolution
    with norm and ReLU, then dropout and the classifier. The fusion is applied before
    the resize, with which it commutes: the same numbers for a quarter of the work.

    Args:
        in_channels: widths of the maps.
        in_index: which maps; ``None``: all.
        channels: hidden width (256 as published).
        num_classes: C + 1, background included.
        norm_cfg: of the fusion.
        **kwargs: further arguments of mmseg's ``SegformerHead``.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 320, 512),
        channels: int = 256,
        *,
        num_classes: int,
        in_index: Sequence[int] | None = None,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        in_channels = list(in_channels)
        settings = (
            dict(
                in_index=list(in_index or range(len(in_channels))),
                dropout_ratio=0.1,
                align_corners=False,
                loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
            )
            | kwargs
        )
        super().__init__(
            in_channels=in_channels,
            channels=channels,
            num_classes=num_classes,
            norm_cfg=None,
            act_cfg=None,
            **settings,
        )
        self.fusion_conv = ConvModule(
            channels * len(in_channels),
            channels,
            1,
            norm_cfg=norm_cfg or dict(type='SyncBN', requires_grad=True),
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w) at the size of the first map."""
        return self.cls_seg(self.fuse(inputs))

    def fuse(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """The fused map (B, channels, h, w); training updates the norm statistics."""
        maps = self._transform_inputs(inputs)
        columns = self.fusion_conv.conv.weight.split(self.channels, dim=1)
        size = tuple(maps[0].shape[-2:])
        total = sum(
            resize(F.conv2d(linear(x), weight), size)
            for linear, x, weight in zip(self.convs, maps, columns, strict=True)
        )
        return self.fusion_conv.activate(self.fusion_conv.norm(total))
