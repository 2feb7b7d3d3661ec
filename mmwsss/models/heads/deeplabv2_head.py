# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmwsss.registry import MODELS


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """DeepLab-v2's pyramid: dilated 3×3 classifiers side by side, summed to logits.

    No norm, no hidden layer, no pooling of the image (EPS's release; Chen et
    al., DeepLab, 2017). mmseg's ``ASPPHead`` is DeepLab-v3's.

    Args:
        in_channels: D of the map (2048).
        num_classes: C + 1, background included.
        dilations: of the convolutions; padding equals them.
        **kwargs: further arguments of mmseg's ``BaseDecodeHead``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        **kwargs: Any,
    ) -> None:
        settings = dict(
            channels=in_channels,
            dropout_ratio=0,
            align_corners=False,
            init_cfg=dict(type='Normal', layer='Conv2d', std=0.01),  # bias 0
            loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
        )
        super().__init__(in_channels, num_classes=num_classes, **settings | kwargs)
        del self.conv_seg
        self.convs = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=d, dilation=d)
            for d in dilations
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, C + 1, h, w) on the grid of the map."""
        x = self._transform_inputs(inputs)
        return sum(conv(x) for conv in self.convs)
