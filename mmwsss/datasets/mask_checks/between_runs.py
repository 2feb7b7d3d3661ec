# Licensed under Apache-2.0.
"""Traces of interpolation: short runs of an id that lies between its neighbours'."""

from __future__ import annotations

import numpy as np

#: pixels of the longest run that counts; a ramp of a mask enlarged eightfold
LONGEST = 8


def between_runs(
    ids: np.ndarray, ignore_index: int = 255, longest: int = LONGEST
) -> tuple[dict[int, int], int]:
    """Runs along rows and columns whose id lies between those before and behind.

    A mask that was resized with interpolation, or saved as a JPEG, has ramps where two
    ids meet: 0 0 1 4 5 5. So has a mask whose objects are nested (0 1 2 1 0), with ids
    that its image label names: whoever calls tells them apart by that.

    Args:
        ids: (H, W) integers.
        ignore_index: runs of it, and beside it, don't count.
        longest: pixels of a run that counts.

    Returns:
        Runs by id; and in how many places along rows and columns the id changes.
    """
    found: dict[int, int] = {}
    changes = 0
    for plane in (ids, ids.T):
        values, counts, places = _along_rows(plane, ignore_index, longest)
        changes += places
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            found[value] = found.get(value, 0) + count
    return found, changes


def _along_rows(
    plane: np.ndarray, ignore_index: int, longest: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Ids of runs between others, how many of each, and the number of changes."""
    height, width = plane.shape
    flat = np.ascontiguousarray(plane).reshape(-1).astype(np.int64)
    change = flat[1:] != flat[:-1]
    change[width - 1 :: width] = True  # a run ends with its row
    starts = np.concatenate(([0], np.flatnonzero(change) + 1))
    lengths = np.diff(starts, append=height * width)
    value, row = flat[starts], starts // width
    counts = value != ignore_index
    same = (row[1:] == row[:-1]) & counts[1:] & counts[:-1]
    steps = np.sign(np.diff(value))
    between = same[1:] & same[:-1] & (steps[1:] == steps[:-1])
    between &= lengths[1:-1] <= longest
    return *np.unique(value[1:-1][between], return_counts=True), int(same.sum())
