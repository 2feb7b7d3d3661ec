# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import nn

from mmwsss.registry import LABELERS

from .background_power_labeler import BackgroundPowerLabeler


@LABELERS.register_module()
class ComplementLabeler(BackgroundPowerLabeler):
    """Background is 1 minus the strongest class; no threshold, nothing is ignored.

    The rule of the CLIP family (CLIP-ES, CVPR 2023; WeCLIP, CVPR 2024), which refines
    [1 - max CAM, CAM] with the picture.

    Args:
        refiner: config of the refiner, or ``None``.

    Raises:
        ValueError: if the refiner is none.
    """

    def __init__(self, refiner: dict[str, Any] | nn.Module | None = None) -> None:
        super().__init__(1.0, refiner)

    def extra_repr(self) -> str:
        """No parameters."""
        return ''
