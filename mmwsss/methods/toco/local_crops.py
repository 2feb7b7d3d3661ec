# Licensed under Apache-2.0.
"""Local crops for class-token contrast (ToCo, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.cam import check_thresholds, cut_crops, places_of_crops

NEGATIVE_MEAN = 0.2


def crop_candidates(roi: Tensor, crop_size: int, crop_num: int) -> Tensor:
    """Which positions of the inner window may be drawn.

    Args:
        roi: (B, H, W) levels 0/1/2 of :func:`roi_levels`.
        crop_size: side of a crop in pixels (even).
        crop_num: crops for each image.

    Returns:
        (B, H − crop_size, W − crop_size) bool: background and uncertain positions;
        all positions where fewer than ``crop_num`` are.

    Raises:
        ValueError: if the crop doesn't fit.
    """
    return places_of_crops(roi <= 1, crop_size, crop_num)


def crop_flags(
    roi: Tensor,
    corners: Tensor,
    crop_size: int,
    num_global: int = 2,
    negative_mean: float = NEGATIVE_MEAN,
) -> Tensor:
    """Positive or negative crops by their mean ROI level.

    Args:
        roi: (B, H, W) levels 0/1/2 (confident foreground counts double).
        corners: (B, N, 2) top-left corners (y, x).
        crop_size: side in pixels.
        num_global: leading global views, always positive.
        negative_mean: a crop is negative where its mean level is at most this.

    Returns:
        (B, num_global + N) float32: 1 positive, 0 negative.
    """
    # Sums of levels are integers below 2^24: exact in float32.
    levels = cut_crops(roi[:, None].float(), corners, crop_size)
    mean = levels.sum(dim=(2, 3, 4)).T / crop_size**2
    flags = (mean > negative_mean).float()
    return torch.cat([flags.new_ones(len(roi), num_global), flags], dim=1)


def roi_levels(score: Tensor, low_thr: float, high_thr: float) -> Tensor:
    """Three-level map that guides the local crops (ToCo, section 3.3).

    Args:
        score: (B, H, W) maximum of CAM times label.
        low_thr, high_thr: as in :func:`three_way_label`; note ``>= high_thr`` here.

    Returns:
        (B, H, W) int64: 0 background, 1 uncertain, 2 foreground.
    """
    check_thresholds(low_thr, high_thr)
    return (score > low_thr).long() + (score >= high_thr).long() * (score > low_thr)
