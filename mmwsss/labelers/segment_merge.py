# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler
from .segment_labeler import SegmentLabeler
from .segment_shares import kept_segments, label_maps


@LABELERS.register_module()
class SegmentMerge(SegmentLabeler):
    """Segments that fit a label take its place, whole.

    Each segment belongs to the class that most of its pixels with a class have. Three
    rules (Chen et al., SAM Enhanced Pseudo Labels, 2023), each an option:

    1. It is kept if the label covers more than ``of_segment`` of it,
    2. or if it covers more than ``of_label`` of the label of its class.
    3. A class of which no segment is kept keeps its label, outside of what others got
       (``else_label``); without this rule it is lost.

    Of a class with kept segments the rest of the label becomes background. Ignored
    pixels outside kept segments stay ignored. (The paper judges masks that overlap
    one by one; here each pixel belongs to one segment, see
    :class:`.SegmentsKind`.)

    Args:
        bkg_thr, labeler, refiner: see :class:`.SegmentLabeler`.
        of_segment: share of a segment, in [0, 1]; ``None``: not this rule.
        of_label: share of a class's label, in [0, 1]; ``None``: not this rule.
        else_label: whether the third rule holds.

    Raises:
        ValueError: if a share is out of range, or no segment can be kept.
    """

    def __init__(
        self,
        bkg_thr: float | None = None,
        labeler: dict[str, Any] | Labeler | None = None,
        of_segment: float | None = 0.5,
        of_label: float | None = 0.85,
        else_label: bool = True,
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(bkg_thr, labeler, refiner)
        for name, share in (('of_segment', of_segment), ('of_label', of_label)):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f'{name} must be in [0, 1] or None, got {share!r}')
        if of_segment is None and of_label is None:
            raise ValueError('give of_segment, of_label, or both: no segment is kept')
        self.of_segment, self.of_label = of_segment, of_label
        self.else_label = else_label

    def settings(self) -> dict[str, Any]:
        """See :class:`.SegmentLabeler`."""
        names = ('of_segment', 'of_label', 'else_label')
        return {name: getattr(self, name) for name in names}

    def by_segments(
        self,
        cam: Tensor,
        labels: ImageLabels,
        pixel: PseudoLabel,
        segments: Tensor,
    ) -> PseudoLabel:
        """See :class:`.SegmentLabeler`."""
        maps = label_maps(pixel.ids, labels.ids)
        slots = kept_segments(maps[:, 1:], segments, self.of_segment, self.of_label)
        if self.else_label:
            kept = label_maps(labels.to_ids(slots), labels.ids)[:, 1:].amax((2, 3))
            lost = maps[:, 1:] * (1 - kept)[..., None, None]
            own = torch.where(lost.amax(1) > 0, lost.argmax(1) + 1, 0)
            slots = torch.where(slots > 0, slots, own)
        known = (maps.amax(1) > 0) | (slots > 0)
        return PseudoLabel(torch.where(known, labels.to_ids(slots), pixel.ids))
