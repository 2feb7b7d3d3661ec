# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmwsss.cam import IGNORE, resize, strongest_class
from mmwsss.io.errors import check_choice
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler
from .segment_labeler import SegmentLabeler
from .segment_shares import label_maps, segment_means
from .threshold_labeler import ThresholdLabeler

VOTES = ('soft', 'hard')
#: what a pixel gets that no segment decides
RESTS = ('label', 'background', 'ignore')


@LABELERS.register_module()
class SegmentVote(SegmentLabeler):
    """Segments vote: each takes one class, or background.

    Every pixel votes for background and for the classes of its image, and a segment
    takes what has the largest mean over its pixels; background wins a tie.

    - ``vote='soft'``: with what the maps say, ``bkg_thr`` for the background and the
      CAM for the classes; where the rule for pixels has soft maps (most have, with a
      refiner), with those.
    - ``vote='hard'``: one vote a pixel, for its label. Ignored pixels have none.

    ``confidence`` is the mean of the class, and 1 minus the largest mean of a class for
    background; 0 where the label is ignored.

    Args:
        bkg_thr, labeler, refiner: see :class:`.SegmentLabeler`.
        vote: ``'soft'`` or ``'hard'``.
        min_share: of all votes in a segment, what the winner must have; below it, and
            where nobody votes, the segment is undecided.
        unsegmented: what pixels without a segment get: their own ``'label'``,
            ``'background'``, or ``'ignore'`` (255).
        undecided: the same for segments that are undecided.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(
        self,
        bkg_thr: float | None = None,
        labeler: dict[str, Any] | Labeler | None = None,
        vote: str = 'soft',
        min_share: float = 0.0,
        unsegmented: str = 'label',
        undecided: str = 'label',
        refiner: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(bkg_thr, labeler, refiner)
        check_choice('vote', vote, VOTES)
        check_choice('unsegmented', unsegmented, RESTS)
        check_choice('undecided', undecided, RESTS)
        if not 0 <= min_share <= 1:
            raise ValueError(f'min_share must be in [0, 1], got {min_share!r}')
        self.vote, self.min_share = vote, min_share
        self.unsegmented, self.undecided = unsegmented, undecided

    def settings(self) -> dict[str, Any]:
        """See :class:`.SegmentLabeler`."""
        names = ('vote', 'min_share', 'unsegmented', 'undecided')
        return {name: getattr(self, name) for name in names}

    def by_segments(
        self,
        cam: Tensor,
        labels: ImageLabels,
        pixel: PseudoLabel,
        segments: Tensor,
    ) -> PseudoLabel:
        """See :class:`.SegmentLabeler`."""
        votes, inside = self.votes(cam, labels, pixel), segments > 0
        means = torch.where(inside[:, None], segment_means(votes, segments), votes)
        score, label = strongest_class(means[:, 1:], labels.ids)
        ids = torch.where(score > means[:, 0], label, 0)
        total = means.sum(1)
        share = torch.maximum(score, means[:, 0]) / total.clamp_min(1e-12)
        decided = (share >= self.min_share) & (total > 0)
        ids = torch.where(decided, ids, rest(self.undecided, pixel.ids))
        ids = torch.where(inside, ids, rest(self.unsegmented, pixel.ids))
        sure = torch.where(ids > 0, score, 1 - score).clamp(0, 1)
        return PseudoLabel(ids, None, sure.masked_fill(ids == IGNORE, 0))

    def votes(self, cam: Tensor, labels: ImageLabels, pixel: PseudoLabel) -> Tensor:
        """What each pixel votes for, (B, K + 1, H, W) >= 0, background first."""
        if self.vote == 'hard':
            return label_maps(pixel.ids, labels.ids)
        if pixel.soft is not None:
            return labels_first(pixel.soft, labels)
        if not isinstance(self.labeler, ThresholdLabeler):
            raise ValueError(
                f'{type(self.labeler).__name__} gives no soft maps to vote with: set '
                "vote='hard'"
            )
        cam = resize(cam, tuple(pixel.ids.shape[-2:]))
        background = cam.new_full((), self.labeler.bkg_thr).expand_as(cam[:, :1])
        return torch.cat([background, cam], 1)


def labels_first(soft: Tensor, labels: ImageLabels) -> Tensor:
    """Soft maps (B, K + 1, H, W) with the unused slots 0."""
    return torch.cat([soft[:, :1], labels.valid(soft[:, 1:])], 1)


def rest(what: str, label: Tensor) -> Tensor:
    """The ids (B, H, W) of pixels that no segment decides, see ``RESTS``."""
    if what == 'label':
        return label
    return torch.full_like(label, IGNORE if what == 'ignore' else 0)
