# Licensed under Apache-2.0.
"""What segments hold of maps and labels: pure functions, all images at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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


def segment_totals(maps: Tensor, segment: Tensor) -> Tensor:
    """Sum of each map over each segment.

    Args:
        maps: (B, K, H, W) floating.
        segment: (B, H · W) from :func:`consecutive`.

    Returns:
        (B, K, H · W) float64, by segment; 0 where there is none of that number.
    """
    scores = maps.flatten(2).double()
    index = segment[:, None].expand_as(scores)
    return torch.zeros_like(scores).scatter_add_(2, index, scores)


def segment_means(maps: Tensor, segments: Tensor) -> Tensor:
    """Replace each score by the mean over its segment.

    Args:
        maps: (B, K, H, W) float32.
        segments: (B, H, W) whole numbers >= 0; those of two images are two segments.

    Returns:
        (B, K, H, W) float32.
    """
    segment = consecutive(segments)
    pixels = segment_totals(torch.ones_like(maps[:, :1]), segment).clamp_min(1)
    means = (segment_totals(maps, segment) / pixels).to(maps.dtype)
    return means.gather(2, segment[:, None].expand_as(means)).view_as(maps)


def label_maps(ids: Tensor, classes: Tensor) -> Tensor:
    """A label as one map for the background and for each class, 1 where it is.

    Args:
        ids: (B, H, W) int64 class ids; pixels of another one (255) are in no map.
        classes: (B, K) int64 class ids >= 1 of the maps, 0 in unused slots.

    Returns:
        (B, K + 1, H, W) float32 of 0 and 1, background first, 0 in unused slots.
    """
    there = F.pad(classes > 0, (1, 0), value=True)
    wanted = F.pad(classes, (1, 0))
    held = (ids[:, None] == wanted[..., None, None]) & there[..., None, None]
    return held.float()


def kept_segments(
    maps: Tensor, segments: Tensor, of_segment: float | None, of_label: float | None
) -> Tensor:
    """The class for which each segment is kept, by what label and segment share.

    A segment s belongs to the class c of which it holds most pixels. With P_c the
    pixels of the label of class c it is kept if::

        |s ∩ P_c| / |s| > of_segment   or   |s ∩ P_c| / |P_c| > of_label.

    Source: Chen, Mai, Li and Chao, Segment Anything Model (SAM) Enhanced Pseudo Labels
    for Weakly Supervised Semantic Segmentation (2023): its mask assignment and mask
    selection. There masks may overlap; here each pixel has one segment.

    Args:
        maps: (B, K, H, W) of 0 and 1, the label of each class without the background.
        segments: (B, H, W) whole numbers >= 0, 0 = no segment.
        of_segment, of_label: shares in [0, 1]; ``None``: this rule keeps none.

    Returns:
        (B, H, W) int64: 1 + the map's channel where the segment is kept, else 0.
    """
    segment = consecutive(segments)
    area = segment_totals(torch.ones_like(maps[:, :1]), segment)[:, 0].clamp_min(1)
    most, channel = segment_totals(maps, segment).max(1)
    whole = maps.flatten(2).double().sum(2).gather(1, channel).clamp_min(1)
    kept = torch.zeros_like(most, dtype=torch.bool)
    for rule, of in ((of_segment, area), (of_label, whole)):
        if rule is not None:
            kept |= most / of > rule
    kept &= most > 0
    by_pixel = torch.where(kept, channel + 1, 0).gather(1, segment)
    return by_pixel.view_as(segments) * (segments > 0)
