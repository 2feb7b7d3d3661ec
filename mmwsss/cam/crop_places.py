# Licensed under Apache-2.0.
"""Square crops at places that a map allows (ToCo's local crops, SeCo's tagged ones)."""

from __future__ import annotations

import torch
from torch import Tensor


def places_of_crops(wanted: Tensor, crop_size: int, crop_num: int) -> Tensor:
    """Which positions of the inner window may be drawn.

    Args:
        wanted: (B, H, W) bool, the pixels around which crops are wanted.
        crop_size: side of a crop in pixels (even).
        crop_num: crops for each image.

    Returns:
        (B, H − crop_size, W − crop_size) bool: the wanted pixels of the window that is
        half a crop away from each border; all of it where they are fewer than
        ``crop_num``.

    Raises:
        ValueError: if the crop doesn't fit.
    """
    margin = crop_size // 2
    if min(wanted.shape[-2:]) <= 2 * margin:
        raise ValueError(
            f'crop_size={crop_size} needs a map larger than {2 * margin} pixels on '
            f'both sides, got {tuple(wanted.shape[-2:])}'
        )
    inner = wanted[:, margin:-margin, margin:-margin]
    enough = inner.sum(dim=(1, 2), keepdim=True) >= crop_num
    return inner | ~enough


def check_places(candidates: Tensor, crop_num: int) -> None:
    """Raise ValueError where (B, h, w) positions are too few for distinct crops."""
    if crop_num > candidates[0].numel():
        raise ValueError(
            f'crop_num={crop_num} distinct crops need as many places, but the map has '
            f'only {candidates[0].numel()} positions for their corners: lower crop_num '
            'or crop_size'
        )


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
    check_places(candidates, crop_num)
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
