# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class LargeFOVHead(BaseDecodeHead):
    """DeepLab's large-field-of-view decoder on one token map (ToCo, section 3.4).

    Two dilated 3×3 convolutions with ReLU, then a 1×1 classifier; no bias, no norm.

    Args:
        in_channels: D of the map.
        channels: hidden width (512 as published).
        num_classes: C + 1, background included.
        dilation: of both 3×3 convolutions; padding equals it.
        **kwargs: further arguments of mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 512,
        *,
        num_classes: int,
        dilation: int = 5,
        **kwargs: Any,
    ) -> None:
        # PyTorch's default convolution init is the published one.
        ignore_255 = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
        kwargs = dict(dropout_ratio=0, init_cfg=None, loss_decode=ignore_255) | kwargs
        super().__init__(in_channels, channels, num_classes=num_classes, **kwargs)
        dilated = dict(padding=dilation, dilation=dilation, bias=False)
        self.conv6 = nn.Conv2d(in_channels, channels, 3, **dilated)
        self.conv7 = nn.Conv2d(channels, channels, 3, **dilated)
        self.conv_seg = nn.Conv2d(channels, self.out_channels, 1, bias=False)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w) on the token grid."""
        x = self.conv6(self._transform_inputs(inputs)).relu()
        return self.cls_seg(self.conv7(x).relu())
