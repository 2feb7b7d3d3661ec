# Licensed under Apache-2.0.
"""Where a decoder is sure of itself, it corrects its pseudo label (WeCLIP+)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmwsss.cam import IGNORE
from mmwsss.io.errors import UserError
from mmwsss.io.setting_types import check_types
from mmwsss.models.precision import in_float32


@dataclass(frozen=True)
class LateLabelCfg:
    """When and where: ``train_cfg.late_label``.

    Attributes:
        begin: first zero-based iteration: 18,001 on VOC, 40,001 on COCO.
        conf_thr: probability that must be exceeded, 0.75.
    """

    begin: int
    conf_thr: float = 0.75

    def __post_init__(self) -> None:
        check_types(self, 'train_cfg.late_label')
        if self.begin < 0 or not 0 <= self.conf_thr <= 1:
            raise UserError(
                'train_cfg.late_label needs begin >= 0 and conf_thr in [0, 1], got '
                f'{self.begin} and {self.conf_thr}'
            )


@in_float32
def corrected_where_sure(label: Tensor, logits: Tensor, conf_thr: float) -> Tensor:
    """The label, with the decoder's own class where that is likely enough.

    Args:
        label: (B, H, W) int64 class ids, 255 = ignored, which stays.
        logits: (B, C + 1, H, W).
        conf_thr: probability that must be exceeded.

    Returns:
        (B, H, W) int64.
    """
    confidence, own = logits.softmax(1).max(1)
    return own.where((confidence > conf_thr) & (label != IGNORE), label)
