# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmwsss.registry import MODELS

from .cam_head import CAMHead


@MODELS.register_module()
class ProjectedCAMHead(CAMHead):
    """A CAM head behind a projection: 1×1 convolution, resting norm, ReLU.

    That of SMAF's release. Its norm is never trained: in evaluation
    mode, weight and bias frozen.

    Args:
        in_channels: D of the map.
        num_classes: foreground classes C.
        channels: of the projection.
        **kwargs: see :class:`CAMHead`.
    """

    def __init__(
        self, in_channels: int, num_classes: int, channels: int = 128, **kwargs: Any
    ) -> None:
        super().__init__(channels, num_classes, **kwargs)
        self.projection = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels).requires_grad_(False)

    def source(self, maps: tuple[Tensor, ...]) -> Tensor:
        """The projected map (B, channels, h, w)."""
        return self.norm(self.projection(super().source(maps))).relu()

    def train(self, mode: bool = True) -> ProjectedCAMHead:
        """Set the mode; the norm stays in evaluation mode."""
        super().train(mode)
        self.norm.eval()
        return self
