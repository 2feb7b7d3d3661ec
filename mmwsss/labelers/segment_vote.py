# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import resize, strongest_class
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels, PseudoLabel

from .labeler import Labeler


@LABELERS.register_module()
class SegmentVote(Labeler):
    """Segments that lie on disk vote: each takes one class, or background.

    A segment takes the class with the largest mean CAM over its pixels, or background
    where that mean is not above ``bkg_thr``. A pixel without a segment is decided by
    its own CAM, as :class:`ThresholdLabeler` does. Nothing inside the box is ignored.
    ``confidence`` is the mean of the class, and 1 minus the largest mean of background.

    It needs the side input ``segments``: (B, H, W) int64, the number of a pixel's
    segment, 0 = none. Numbers count within an image; they need not be consecutive.

    Args:
        bkg_thr: score of the background, in [0, 1], which also wins a tie.
        refiner: refused, since the segments have edges already.

    Raises:
        ValueError: if ``bkg_thr`` isn't in [0, 1], or a refiner is given.
    """

    side_inputs = ('segments',)
    THRESHOLDS = ('bkg_thr',)
    READS_PIXELS = False

    def __init__(self, bkg_thr: float, refiner: dict[str, Any] | None = None) -> None:
        super().__init__()
        if refiner is not None:
            raise ValueError(
                f'SegmentVote takes its edges from segments, got refiner={refiner}: '
                'leave it out'
            )
        self.bkg_thr = bkg_thr
        self.check_thresholds()

    def decide(
        self, pixels: Tensor, cam: Tensor, labels: ImageLabels, **side: Tensor
    ) -> PseudoLabel:
        """See :class:`Labeler`."""
        segments = side['segments']
        if segments.dtype.is_floating_point or segments.dtype == torch.bool:
            raise ValueError(
                f'segments must be whole numbers, got {segments.dtype}: load them as '
                "kind='ids'"
            )
        cam = resize(cam, tuple(pixels.shape[-2:]))
        means = segment_means(cam, segments)
        voted = torch.where((segments > 0)[:, None], means, cam)
        score, label = strongest_class(voted, labels.ids)
        ids = torch.where(score > self.bkg_thr, label, 0)
        return PseudoLabel(ids, None, torch.where(ids > 0, score, 1 - score))


def segment_means(maps: Tensor, segments: Tensor) -> Tensor:
    """Replace each score by the mean over its segment, all images at once.

    Args:
        maps: (B, K, H, W) float32.
        segments: (B, H, W) whole numbers >= 0; those of two images are two segments.

    Returns:
        (B, K, H, W) float32.
    """
    scores = maps.flatten(2).double()
    segment = consecutive(segments)
    index = segment[:, None].expand_as(scores)
    pixels = torch.zeros_like(scores[:, :1]).scatter_add_(
        2, segment[:, None], torch.ones_like(scores[:, :1])
    )
    total = torch.zeros_like(scores).scatter_add_(2, index, scores)
    mean = (total / pixels.clamp_min(1)).to(maps.dtype)
    return mean.gather(2, index).view_as(maps)


def consecutive(segments: Tensor) -> Tensor:
    """Number the segments of each image 0, 1, …, in the order of their ids.

    ``torch.unique`` does the same, but the host would wait for the count.

    Args:
        segments: (B, H, W) whole numbers.

    Returns:
        (B, H · W) int64, below H · W.
    """
    ids, order = segments.long().flatten(1).sort(1)
    new = F.pad(ids[:, 1:] != ids[:, :-1], (1, 0))
    return torch.empty_like(order).scatter_(1, order, new.cumsum(1))
