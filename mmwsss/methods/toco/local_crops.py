# Licensed under Apache-2.0.
"""Local crops for class-token contrast (ToCo, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmwsss.cam import check_thresholds

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
    margin = crop_size // 2
    if min(roi.shape[-2:]) <= 2 * margin:
        raise ValueError(
            f'crop_size={crop_size} needs a map larger than {2 * margin} pixels on '
            f'both sides, got {tuple(roi.shape[-2:])}'
        )
    inner = roi[:, margin:-margin, margin:-margin] <= 1
    enough = inner.sum(dim=(1, 2), keepdim=True) >= crop_num
    return inner | ~enough


def draw_corners(candidates: Tensor, crop_num: int) -> Tensor:
    """Draw distinct candidate positions uniformly.

    The position inside the inner window is at the same time the top-left corner of
    the crop in the full image.

    Args:
        candidates: (B, h, w) bool.
        crop_num: how many.

    Returns:
        (B, crop_num, 2) int64 top-left corners (y, x).

    Raises:
        ValueError: if there are fewer positions than crops.
    """
    if crop_num > candidates[0].numel():
        raise ValueError(
            f'crop_num={crop_num} distinct crops need as many places, but the map has '
            f'only {candidates[0].numel()} positions for their corners: lower crop_num '
            'or crop_size'
        )
    # The largest of uniform keys: distinct and uniform as `multinomial` is, but without
    # its check of the weights, which waits for the device.
    flat = candidates.flatten(1)
    keys = torch.rand(flat.shape, device=flat.device).masked_fill(~flat, -1)
    index = keys.topk(crop_num, dim=1).indices
    width = candidates.shape[-1]
    return torch.stack([index // width, index % width], dim=-1)


def cut_crops(images: Tensor, corners: Tensor, crop_size: int) -> Tensor:
    """Cut square crops, all at once and without looking at the coordinates.

    Args:
        images: (B, C, H, W).
        corners: (B, N, 2) top-left corners (y, x).
        crop_size: side in pixels.

    Returns:
        (N, B, C, crop_size, crop_size): crop number first.
    """
    steps = torch.arange(crop_size, device=images.device)
    rows = (corners[..., 0, None] + steps)[:, :, :, None]
    cols = (corners[..., 1, None] + steps)[:, :, None, :]
    batch = torch.arange(len(images), device=images.device)[:, None, None, None]
    crops = images.permute(0, 2, 3, 1)[batch, rows, cols]
    return crops.permute(1, 0, 4, 2, 3)


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
