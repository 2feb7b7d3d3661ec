# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmwsss.labelers.background_power_labeler import BackgroundPowerLabeler
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .confidence_guided_loss import confident_label


@LABELERS.register_module()
class ConfidentLabeler(BackgroundPowerLabeler):
    """The largest of [(1 − strongest class)^alpha, classes], refined; else 255.

    CLIP-ES: with alpha 1 and a dense CRF, and 255 where the result's largest
    probability is below 0.95.

    Args:
        conf_thr: below this confidence a pixel is ignored; 0: none is (the published
            score of masks after the CRF).
        alpha: see :class:`.BackgroundPowerLabeler`.
        half_maps: maps are rounded to half precision first, as the release stores them.
        refiner: config of the refiner, or ``None``.

    Raises:
        ValueError: if ``conf_thr`` isn't in [0, 1], or as the base class.
    """

    THRESHOLDS = ('conf_thr',)
    READS_PIXELS = False

    def __init__(
        self,
        conf_thr: float = 0.95,
        alpha: float = 1.0,
        half_maps: bool = True,
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(alpha, refiner)
        self.conf_thr, self.half_maps = conf_thr, half_maps
        self.check_thresholds()

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`.Labeler`."""
        cam = cam.half().float() if self.half_maps else cam
        found = super().decide(pixels, cam, labels, **side)
        ids = confident_label(found.ids, found.confidence, self.conf_thr)
        return found._replace(ids=ids)

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return f'conf_thr={self.conf_thr}, alpha={self.alpha}'
