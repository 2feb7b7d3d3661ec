# Licensed under Apache-2.0.
"""What somebody would click: one point for each region of a mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_IGNORE = 255
#: pixels that touch by a corner are of one region
_NEIGHBOURS = np.ones((3, 3), bool)


def points_of_mask(
    mask: np.ndarray, radius: int = 3, min_pixels: int = 16
) -> np.ndarray:
    """A disc at the most interior point of each connected region of each class.

    That is the pixel farthest from the region's border and from that of the picture.
    The background gets one disc, in its largest region. A class of which all regions
    are small keeps the largest.

    Args:
        mask: (H, W) class ids, 255 = nothing is known.
        radius: of the discs in pixels, cut off at the border of their region; 0: one
            pixel.
        min_pixels: smaller regions get none.

    Returns:
        (H, W) uint8: the ids within the discs, 255 elsewhere.
    """
    known = np.full(mask.shape, _IGNORE, np.uint8)
    for i in np.unique(mask[mask != _IGNORE]).tolist():
        regions, _ = ndimage.label(mask == i, _NEIGHBOURS)
        sizes = np.bincount(regions.reshape(-1))
        sizes[0] = 0
        kept = np.flatnonzero(sizes >= min_pixels)
        if i == 0 or not kept.size:
            kept = np.array([sizes.argmax()])
        depth = ndimage.distance_transform_edt(np.pad(regions > 0, 1))[1:-1, 1:-1]
        tops = ndimage.maximum_position(depth, regions, kept)
        for region, (y, x) in zip(kept, tops, strict=True):
            place, disc = disc_at((int(y), int(x)), radius, mask.shape)
            known[place][disc & (regions[place] == region)] = i
    return known


def disc_at(
    centre: tuple[int, int], radius: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """The window of a disc in a picture, and which of its pixels are in the disc.

    Args:
        centre: (y, x) in the picture.
        radius: in pixels; the centre's pixel always is in the disc.
        shape: (H, W) of the picture.
    """
    spans = [
        np.arange(max(at - radius, 0), min(at + radius + 1, side))
        for at, side in zip(centre, shape, strict=True)
    ]
    y, x = spans[0][:, None] - centre[0], spans[1][None] - centre[1]
    rows, columns = (slice(int(s[0]), int(s[-1]) + 1) for s in spans)
    return (rows, columns), y**2 + x**2 <= radius**2
