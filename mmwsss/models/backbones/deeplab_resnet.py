# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmseg.models.backbones import ResNet

from mmwsss.registry import MODELS


@MODELS.register_module()
class DeepLabResNet(ResNet):
    """mmseg's ResNet as DeepLab-v2 has it: Caffe style, output stride 8.

    The stride lies in the first 1×1 convolution of a bottleneck, the pooling after the
    stem rounds sizes up, stages 3 and 4 are dilated; norms are frozen (EPS's
    release).

    Args:
        depth: 50, 101 or 152.
        **kwargs: further arguments of mmseg's ``ResNet``.
    """

    def __init__(self, depth: int = 101, **kwargs: Any) -> None:
        settings = dict(
            style='caffe',
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            norm_cfg=dict(type='BN', requires_grad=False),
            norm_eval=True,
        )
        super().__init__(depth, **settings | kwargs)
        self.maxpool.ceil_mode = True
