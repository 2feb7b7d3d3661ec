# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from mmwsss.cam import check_thresholds, resize, strongest_class, three_way_label
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler
from .soft_maps import background_stacks, merge_high_low


@LABELERS.register_module()
class TwoThresholdLabeler(Labeler):
    """Foreground above a high threshold, background below a low one, 255 between.

    With a refiner, as the releases of ToCo, AFA and FSR have it: on the refiner's
    grid the softmax of [constant, CAM] is taken for the high and the low constant,
    both are refined with the picture and resized back, and where they disagree a
    pixel is ignored. Without: ToCo (CVPR 2023), equation 5.

    ``soft`` are the refined maps under the high constant; ``confidence`` is their
    maximum.

    Args:
        low_thr: up to here a pixel is background, in [0, 1]; ToCo 0.25.
        high_thr: above, it is of a class, in [``low_thr``, 1]; ToCo 0.70.
        refiner: config of the refiner, or ``None``.

    Raises:
        ValueError: unless ``0 <= low_thr <= high_thr <= 1``, or if the refiner is none.
    """

    THRESHOLDS = ('low_thr', 'high_thr')
    READS_PIXELS = False

    def __init__(
        self,
        low_thr: float,
        high_thr: float,
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(refiner)
        self.low_thr, self.high_thr = low_thr, high_thr
        self.check_thresholds()

    @property
    def thresholds(self) -> tuple[float, float]:
        """The low and the high one."""
        return self.low_thr, self.high_thr

    def check_thresholds(self) -> None:
        """Refuse thresholds that aren't ordered."""
        super().check_thresholds()
        check_thresholds(self.low_thr, self.high_thr)

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        if self.refiner is None:
            cam = resize(cam, tuple(pixels.shape[-2:]))
            score, label = strongest_class(cam, labels.ids)
            ids = three_way_label(score, label, self.low_thr, self.high_thr)
            return PseudoLabel(ids)
        small = resize(cam, self.grid(pixels))
        stacks = background_stacks(small, labels, (self.high_thr, self.low_thr))
        strict, lenient = self.refine(pixels, stacks, labels).unbind(1)
        high, low = (labels.to_ids(maps.argmax(1)) for maps in (strict, lenient))
        confidence = strict.amax(1).clamp(0, 1)
        return PseudoLabel(merge_high_low(high, low), strict, confidence)
