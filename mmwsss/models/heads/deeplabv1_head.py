# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class DeepLabV1Head(BaseDecodeHead):
    """DeepLab's first decoder as WSSS retrains it (SemFormer's release).

    A dilated 3×3 and a 1×1 convolution, each with norm and ReLU, dropout of single
    values, a 1×1 classifier with bias; logits are resized with corners aligned.
    (mmseg's ``FCNHead`` has one kernel size for all its convolutions and drops whole
    channels.)

    Args:
        in_channels: D of the map (4096).
        channels: hidden width (512).
        num_classes: C + 1, background included.
        dilation: of the 3×3 convolution; padding equals it.
        dropout_ratio: before the classifier.
        norm_cfg: of both norms.
        **kwargs: further arguments of mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 512,
        *,
        num_classes: int,
        dilation: int = 12,
        dropout_ratio: float = 0.5,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        settings = dict(
            align_corners=True,
            init_cfg=dict(type='Kaiming', layer='Conv2d'),  # normal, fan-out
            loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
        )
        super().__init__(
            in_channels,
            channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg or dict(type='BN'),
            **settings | kwargs,
        )
        self.dropout = nn.Dropout(dropout_ratio)
        self.conv6 = ConvModule(
            in_channels,
            channels,
            3,
            padding=dilation,
            dilation=dilation,
            norm_cfg=self.norm_cfg,
        )
        self.conv7 = ConvModule(channels, channels, 1, norm_cfg=self.norm_cfg)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w) on the grid of the map."""
        return self.cls_seg(self.conv7(self.conv6(self._transform_inputs(inputs))))
