# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler
from .threshold_labeler import ThresholdLabeler


class SegmentLabeler(Labeler):
    """What rules share that decide by segments: a rule for pixels, and the segments.

    Subclasses write :meth:`by_segments`.

    They need the side input ``segments``: (B, H, W) int64, the number of a pixel's
    segment, 0 = none. Numbers count within an image; they need not be consecutive.

    Args:
        bkg_thr: short for ``labeler=dict(type='ThresholdLabeler', bkg_thr=...)``.
        labeler: config of the rule that labels the pixels first, refined or not. Its
            thresholds are those of this one.
        refiner: refused, since the segments have edges already; it goes into
            ``labeler``.

    Raises:
        ValueError: unless one of ``bkg_thr`` and ``labeler`` is given; if a refiner is.
    """

    side_inputs = ('segments',)
    READS_PIXELS = False

    def __init__(
        self,
        bkg_thr: float | None = None,
        labeler: dict[str, Any] | Labeler | None = None,
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if refiner is not None:
            raise ValueError(
                f'{name} takes its edges from segments, got refiner={refiner}: leave '
                'it out, or give it to the rule for pixels, labeler=dict(..., '
                'refiner=...)'
            )
        if (bkg_thr is None) == (labeler is None):
            raise ValueError(
                f'{name} needs the background of the pixels: bkg_thr, or labeler='
                f'dict(type=...) instead; got bkg_thr={bkg_thr!r}, labeler={labeler!r}'
            )
        rule = (
            dict(type=ThresholdLabeler, bkg_thr=bkg_thr) if labeler is None else labeler
        )
        self.labeler = rule if isinstance(rule, Labeler) else LABELERS.build(dict(rule))
        if isinstance(self.labeler, SegmentLabeler):
            raise ValueError(f'{name} takes a rule for pixels, got {labeler!r}')
        self.THRESHOLDS = self.labeler.THRESHOLDS
        self.side_inputs = ('segments', *self.labeler.side_inputs)

    def settings(self) -> dict[str, Any]:
        """By name, the arguments beside ``bkg_thr`` and ``labeler``."""
        raise NotImplementedError

    def by_segments(
        self,
        cam: Tensor,
        labels: ImageLabels,
        pixel: PseudoLabel,
        segments: Tensor,
    ) -> PseudoLabel:
        """The label of pixels → the label by segments.

        Args:
            cam: (B, K, h, w) class maps, see :class:`Labeler`.
            labels: their classes.
            pixel: what the rule for pixels says.
            segments: (B, H, W) whole numbers, 0 = none.
        """
        raise NotImplementedError

    @property
    def reads_pixels(self) -> bool:
        """Whether the rule for pixels, or a :meth:`decide` of one's own, looks."""
        return self.READS_PIXELS or self.labeler.reads_pixels

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        segments = side.pop('segments')
        if segments.dtype.is_floating_point or segments.dtype == torch.bool:
            raise ValueError(
                f'segments must be whole numbers, got {segments.dtype}: load them as '
                "kind='segments' or 'ids'"
            )
        pixel = self.labeler(pixels, cam, labels, **side)
        return self.by_segments(cam, labels, pixel, segments)

    def with_thresholds(self, **thresholds: float) -> SegmentLabeler:
        """The same rule on pixels of other thresholds."""
        rule = self.labeler.with_thresholds(**thresholds)
        return type(self)(labeler=rule, **self.settings())

    def extra_repr(self) -> str:
        """Parameters for ``print(module)``."""
        return ', '.join(f'{name}={value!r}' for name, value in self.settings().items())
