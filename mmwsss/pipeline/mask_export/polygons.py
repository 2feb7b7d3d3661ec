# Licensed under Apache-2.0.
"""Masks as polygons that draw the same pixels again."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from scipy.spatial import cKDTree

#: Contours go through the middles of pixels. Each pixel is halved before, so that they
#: lie a quarter of one inside the region's edge: whoever then fills the polygon by the
#: middles of pixels, or by all that it touches, gets the region and no pixel more.
_SPLIT = 2


def polygons_of(
    mask: np.ndarray, top: int = 0, left: int = 0, tolerance: float = 0.0
) -> list[np.ndarray]:
    """Polygons around a mask's parts, holes cut out.

    No format of ours knows holes: each is joined to its polygon by a line that is gone
    there and back.

    Args:
        mask: (h, w) bool.
        top, left: of the mask in its picture, in pixels.
        tolerance: how far in pixels a polygon with fewer corners may lie from the full
            one; 0: all corners, and the same pixels.

    Returns:
        (P, 2) float x, y in pixels from the picture's upper left corner, one for each
        part; three corners or more.
    """
    small = mask.astype(np.uint8).repeat(_SPLIT, 0).repeat(_SPLIT, 1)
    contours, tree = cv2.findContours(small, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return []
    lines = [_simpler(contour, tolerance) for contour in contours]
    parents = tree.reshape(-1, 4)[:, 3]
    found = []
    for part in np.flatnonzero(parents < 0).tolist():
        holes = [lines[i] for i in np.flatnonzero(parents == part)]
        found.append((_joined(lines[part], holes) + 0.5) / _SPLIT + (left, top))
    return found


def _simpler(contour: np.ndarray, tolerance: float) -> np.ndarray:
    """A contour (P, 1, 2) with fewer corners (Douglas-Peucker), three at least."""
    fewer = (
        cv2.approxPolyDP(contour, tolerance * _SPLIT, True) if tolerance else contour
    )
    return (fewer if len(fewer) > 2 else contour).reshape(-1, 2)


def _joined(line: np.ndarray, holes: Sequence[np.ndarray]) -> np.ndarray:
    """A polygon (P, 2) and its holes as one, by the shortest way between corners."""
    for hole in holes:
        distances, nearest = cKDTree(line).query(hole)
        start = int(distances.argmin())
        at, turned = int(nearest[start]), np.roll(hole, -start, 0)
        there = np.concatenate([turned, turned[:1], line[at : at + 1]])
        line = np.concatenate([line[: at + 1], there, line[at + 1 :]])
    return line
