# Licensed under Apache-2.0.
"""Class masks from COCO's instance annotations, in numpy alone.

The rasterisation is COCO's own (the polygon is drawn five times finer and its
boundary sampled at pixel centres, column by column; ``rleFrPoly`` of the COCO
API), so that masks agree with those of the COCO tools bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

_FINE = 5


def polygon_mask(polygon: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """Rasterise one polygon.

    Args:
        polygon: x, y, x, y, ... in pixels.
        shape: ``(height, width)``.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: if it has fewer than three corners.
    """
    corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    if len(corners) < 3:
        raise ValueError(f'a polygon needs three corners, got {len(corners)}')
    fine = (_FINE * corners + 0.5).astype(np.int64)
    u, v = _boundary(fine, np.roll(fine, -1, axis=0))
    return _fill(*_crossings(u, v, shape), shape)


def _boundary(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of all edges on the fine grid, in the order they are walked."""
    delta = np.abs(end - start)
    wide = delta[:, 0] >= delta[:, 1]
    main = np.where(wide, 0, 1)
    rows = np.arange(len(start))
    turned = start[rows, main] > end[rows, main]
    low = np.where(turned[:, None], end, start)
    high = np.where(turned[:, None], start, end)
    steps = delta[rows, main]
    rise = (high - low)[rows, 1 - main]
    slope = np.divide(rise, steps, out=np.zeros(len(rise)), where=steps > 0)
    edge = np.repeat(rows, steps + 1)
    t = np.arange(len(edge)) - np.repeat(np.cumsum(steps + 1) - steps - 1, steps + 1)
    t = np.where(turned[edge], steps[edge] - t, t)
    along = low[edge, main[edge]] + t
    across = (low[edge, 1 - main[edge]] + slope[edge] * t + 0.5).astype(np.int64)
    return (np.where(wide[edge], along, across), np.where(wide[edge], across, along))


def _crossings(
    u: np.ndarray, v: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (x, y) at which the boundary crosses the centre of a column."""
    height, width = shape
    moved = np.flatnonzero(np.diff(u)) + 1
    x = np.where(u[moved] < u[moved - 1], u[moved], u[moved] - 1)
    x = (x + 0.5) / _FINE - 0.5
    y = (np.minimum(v[moved], v[moved - 1]) + 0.5) / _FINE - 0.5
    keep = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    y = np.ceil(np.clip(y[keep], 0, height))
    return x[keep].astype(np.int64), y.astype(np.int64)


def _fill(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Inside is where an odd number of crossings lies before, column-major."""
    height, width = shape
    flat = np.zeros(height * width, dtype=bool)
    toggles = x * height + y
    if toggles.size:
        first = toggles.min()  # nothing lies before it
        inside = np.cumsum(np.bincount(toggles - first)) & 1
        inside = inside[: flat.size - first]
        flat[first : first + inside.size] = inside
        flat[first + inside.size :] = toggles.size & 1
    return flat.reshape(width, height).T


def rle_mask(counts: Sequence[int] | str, shape: tuple[int, int]) -> np.ndarray:
    """Decode a run-length mask: runs of 0 and 1 in turn, column by column.

    Args:
        counts: lengths of the runs, or COCO's compressed string of them.
        shape: ``(height, width)``.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: if the runs do not add up to the picture.
    """
    if isinstance(counts, str):
        counts = _unpack_counts(counts)
    if sum(counts) != shape[0] * shape[1]:
        raise ValueError(f'runs add up to {sum(counts)}, not to {shape[0]}x{shape[1]}')
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[::-1]).T


def _unpack_counts(text: str) -> list[int]:
    """COCO's string form: 5 bits a character, differences after the second."""
    counts: list[int] = []
    value = shift = 0
    for char in text:
        code = ord(char) - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts


def instance_mask(segmentation: list | dict, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of one annotation: the union of its polygons, or its runs.

    Raises:
        ValueError: if it fits neither form or the picture.
    """
    if isinstance(segmentation, dict):
        return rle_mask(segmentation['counts'], shape)
    mask = np.zeros(shape, dtype=bool)
    for polygon in segmentation:
        mask |= polygon_mask(polygon, shape)
    return mask


def class_mask(
    annotations: Iterable[dict], class_ids: dict[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Merge the instances of an image into one map of class ids.

    Where instances overlap the **smaller** one is on top: a cup in front
    of a table stays visible. The order is by
    the annotation's ``area``, largest drawn first, ties by annotation id. Crowd
    regions are drawn as their class, below all single objects.

    Args:
        annotations: COCO annotations (``segmentation``, ``area``, ``iscrowd``,
            ``category_id``, ``id``).
        class_ids: class id 1..C by COCO's category id.
        shape: ``(height, width)``.

    Returns:
        (H, W) uint8, 0 for background.
    """
    out = np.zeros(shape, dtype=np.uint8)
    order = sorted(
        annotations,
        key=lambda item: (
            -int(item.get('iscrowd', 0)),
            -float(item.get('area', 0)),
            item['id'],
        ),
    )
    for item in order:
        out[instance_mask(item['segmentation'], shape)] = class_ids[item['category_id']]
    return out
