# Licensed under Apache-2.0.
"""Masks of ids as connected regions."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Region(NamedTuple):
    """Pixels of one class.

    Attributes:
        id: of the class.
        mask: (h, w) bool, the smallest box around them.
        top, left: where the box lies in the picture.
    """

    id: int
    mask: np.ndarray
    top: int
    left: int

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())


def find_regions(
    ids: np.ndarray, classes: range, joined: bool = False, min_area: int = 1
) -> list[Region]:
    """Connected regions of the classes, the largest first.

    Pixels that touch at a corner belong together.

    Args:
        ids: (H, W) integers.
        classes: ids that are wanted.
        joined: one region a class, though its parts may lie apart.
        min_area: parts of fewer pixels are left out.
    """
    found: list[Region] = []
    for i in sorted(set(np.unique(ids).tolist()) & set(classes)):
        parts, boxes = _parts(ids == i, min_area)
        if joined and len(boxes):
            parts, boxes = (parts > 0).astype(np.int32), _around(boxes)
        for number, left, top, width, height in boxes.tolist():
            box = parts[top : top + height, left : left + width]
            found.append(Region(i, box == number, top, left))
    return sorted(found, key=lambda region: -region.area)


def _parts(mask: np.ndarray, min_area: int) -> tuple[np.ndarray, np.ndarray]:
    """Connected parts: (H, W) int32 numbers from 1 on, 0 for what is left out; (P, 5)
    number, left, top, width and height of each."""
    count, parts, facts, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    large = facts[:, cv2.CC_STAT_AREA] >= min_area
    large[0] = False  # the rest of the picture
    boxes = np.column_stack([np.arange(count), facts[:, :4]])[large]
    return np.where(large[parts], parts, 0), boxes


def _around(boxes: np.ndarray) -> np.ndarray:
    """One box, of number 1, around all."""
    low, high = boxes[:, 1:3].min(0), (boxes[:, 1:3] + boxes[:, 3:]).max(0)
    return np.array([[1, *low, *(high - low)]])
