# Licensed under Apache-2.0.
from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mmwsss.cam import check_thresholds
from mmwsss.registry import LABELERS, MODELS
from mmwsss.structures import ImageLabels
from mmwsss.structures.pseudo_label import PseudoLabel

from .labeler import Labeler
from .soft_maps import refined_label


@LABELERS.register_module()
class TwoThresholdLabeler(Labeler):
    """Labels under a strict and a lenient background constant (ToCo, AFA, FSR).

    A softmax of [constant, CAM] for each constant, refined with the picture. A pixel is
    the class that wins under the high constant, background where it is under both, else
    ignored.

    Args:
        low_thr, high_thr: background constants, 0 <= low <= high <= 1.
        refiner: config of the refiner of the soft maps.

    Raises:
        ValueError: if the thresholds aren't ordered.
    """

    THRESHOLDS: ClassVar[tuple[str, ...]] = ('low_thr', 'high_thr')

    def __init__(self, low_thr: float, high_thr: float, refiner: dict) -> None:
        super().__init__()
        self.low_thr, self.high_thr = low_thr, high_thr
        self.check_thresholds()
        self.refiner = MODELS.build(refiner)

    @property
    def thresholds(self) -> tuple[float, float]:
        """The low and the high one."""
        return self.low_thr, self.high_thr

    def check_thresholds(self) -> None:
        """Refuse thresholds that aren't ordered."""
        check_thresholds(self.low_thr, self.high_thr)

    def forward(
        self,
        pixels: Tensor,
        cam: Tensor,
        labels: ImageLabels,
        box: Tensor | None = None,
        **side: Tensor,
    ) -> PseudoLabel:
        """See :meth:`.Labeler.forward`; ``soft`` is that of the high constant."""
        return refined_label(
            pixels,
            cam,
            labels,
            self.high_thr,
            self.low_thr,
            self.refiner,
            box,
            self.refiner.downscale,
            self.refiner.per_channel,
        )
