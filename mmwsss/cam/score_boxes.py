# Licensed under Apache-2.0.
"""Boxes around the regions of a class map (CLIP-ES's box mask): pure functions.

Regions are found on the maps' own device, all maps at once. On a small grid, as in
training, every pair of pixels is asked whether a way joins them, in a fixed number of
products, so that the host never waits; on a large one every pixel takes the outermost
sides that its neighbours know, until none changes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels import window_mask


def score_regions(maps: Tensor, threshold: float) -> Tensor:
    """Where a map is above a share of its maximum, in whole grey levels.

    Args:
        maps: (…, h, w) float in [0, 1].
        threshold: λ in [0, 1] (CLIP-ES: 0.4 on VOC, 0.7 on COCO).

    Returns:
        (…, h, w) bool: trunc(255 · map) > trunc(λ · its maximum).

    Raises:
        ValueError: if the threshold isn't in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f'threshold must be in [0, 1], got {threshold}')
    grey = (maps * 255).trunc()
    # in double precision, as a Python number times a whole one
    cut = (grey.amax((-2, -1), keepdim=True).double() * threshold).trunc()
    return grey > cut


#: pixels of a grid up to which all pairs of them are looked at
PAIRED = dict(cpu=256, cuda=1024)


def region_boxes(regions: Tensor) -> Tensor:
    """The bounding box of the 8-connected region that each pixel belongs to.

    Args:
        regions: (M, h, w) bool.

    Returns:
        (M, 4, h, w) int64 x0, y0, x1, y1, exclusive ends; 0 outside of regions.
    """
    height, width = regions.shape[-2:]
    x = torch.arange(width, device=regions.device).expand(height, -1)
    y = torch.arange(height, device=regions.device)[:, None].expand(-1, width)
    # all four as maxima; 0 is the lowest value and stands outside
    sides = torch.stack([width - x, height - y, x + 1, y + 1]).to(torch.float32)
    sides = sides * regions[:, None]
    paired = height * width <= PAIRED.get(regions.device.type, PAIRED['cpu'])
    spread = _spread_by_pairs if paired else _spread_by_steps
    left, top, x1, y1 = spread(sides, regions).long().unbind(1)
    inside = regions.long()
    return torch.stack([(width - left) * inside, (height - top) * inside, x1, y1], 1)


def _spread_by_steps(sides: Tensor, regions: Tensor) -> Tensor:
    """The largest values (M, 4, h, w) of each region; a step of one pixel at a time."""
    for _ in range(regions.shape[-2:].numel()):
        spread = F.max_pool2d(sides, 3, stride=1, padding=1) * regions[:, None]
        if torch.equal(spread, sides):
            break
        sides = spread
    return sides


def _spread_by_pairs(sides: Tensor, regions: Tensor) -> Tensor:
    """The same by the pairs of pixels that a way of any length joins."""
    near = window_mask(tuple(regions.shape[-2:]), 1, regions.device)
    inside = regions.flatten(1)
    joined = (near & inside[:, :, None] & inside[:, None, :]).float()
    for _ in range((near.shape[0] - 1).bit_length()):  # each doubles the ways
        joined = (joined @ joined).clamp_max(1)
    values = sides.flatten(2)
    found = [(joined * one[:, None, :]).amax(2) for one in values.unbind(1)]
    return torch.stack(found, 1).view_as(sides)


def boxes_to_mask(boxes: Tensor) -> Tensor:
    """The union of the boxes that pixels have.

    Args:
        boxes: (M, 4, h, w) int64 of :func:`region_boxes`; empty boxes add nothing.

    Returns:
        (M, h, w) bool.
    """
    batch, _, height, width = boxes.shape
    x0, y0, x1, y1 = boxes.flatten(2).unbind(1)
    full = ((x1 > x0) & (y1 > y0)).to(torch.int32)
    # corners of each box in a table of differences, whose running sum counts boxes
    counts = torch.zeros(
        batch, (height + 1) * (width + 1), dtype=torch.int32, device=boxes.device
    )
    for y, x, sign in ((y0, x0, 1), (y0, x1, -1), (y1, x0, -1), (y1, x1, 1)):
        counts.scatter_add_(1, y * (width + 1) + x, sign * full)
    table = counts.unflatten(1, (height + 1, width + 1))
    return table.cumsum(1).cumsum(2)[:, :height, :width] > 0


def score_box_mask(maps: Tensor, threshold: float, closed: bool = False) -> Tensor:
    """The boxes around the regions of class maps (CLIP-ES as released).

    Args:
        maps: (B, K, h, w) in [0, 1].
        threshold: see :func:`score_regions`.
        closed: whether boxes reach to the last row and column. ``False``, as released:
            ends are clipped to h − 1 and w − 1 and are exclusive, so that the last row
            and column are in no box.

    Returns:
        (B, K, h, w) bool, all ``False`` for a map that is zero everywhere.
    """
    height, width = maps.shape[-2:]
    boxes = region_boxes(score_regions(maps, threshold).flatten(0, 1))
    if not closed:
        x0, y0, x1, y1 = boxes.unbind(1)
        boxes = torch.stack(
            [x0, y0, x1.clamp_max(width - 1), y1.clamp_max(height - 1)], 1
        )
    return boxes_to_mask(boxes).unflatten(0, maps.shape[:2])
