# Licensed under Apache-2.0.
"""Class masks from COCO's instance annotations; polygons are drawn by pycocotools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pycocotools import mask as coco

_FARTHEST = 1 << 20  # pixels; beyond, pycocotools' integers overflow and it crashes


def polygon_mask(
    polygons: Sequence[Sequence[float]], shape: tuple[int, int]
) -> np.ndarray:
    """The union of polygons.

    Args:
        polygons: Each x, y, x, y, ... in pixels; what lies out of the picture is cut.
        shape: ``(height, width)``.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: If one has fewer than three corners, or one that is no place.
    """
    if not polygons:
        return np.zeros(shape, dtype=bool)
    checked = [_corners(polygon).ravel().tolist() for polygon in polygons]
    return coco.decode(coco.merge(coco.frPyObjects(checked, *shape))).astype(bool)


def _corners(polygon: Sequence[float]) -> np.ndarray:
    corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    if len(corners) < 3:
        raise ValueError(f'a polygon needs three corners, got {len(corners)}')
    far = ~(np.abs(corners) < _FARTHEST)  # NaN, too
    if far.any():
        raise ValueError(f'a polygon has a corner at {corners[far.any(1)][0].tolist()}')
    return corners


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
    # By hand: pycocotools fills the rest with memory that nobody has written.
    counts = run_lengths(counts)
    if sum(counts) != shape[0] * shape[1]:
        raise ValueError(f'runs add up to {sum(counts)}, not to {shape[0]}x{shape[1]}')
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[::-1]).T


def run_lengths(counts: Sequence[int] | str) -> Sequence[int]:
    """Lengths of runs; COCO's compressed string of them is unpacked.

    The string holds 5 bits a character, lowest first, signed; from the fourth number on
    each is the difference to the last but one.

    Args:
        counts: lengths, or the string.

    Raises:
        ValueError: if the string ends within a number, or is another one.
    """
    if not isinstance(counts, str):
        return counts
    # arrays, since a segment model writes a hundred masks a picture
    codes = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    if codes.min(initial=0) < 0 or codes.max(initial=0) > 63:
        raise ValueError(f'no characters of runs: {counts[:8]!r}')
    last = np.flatnonzero((codes & 0x20) == 0)
    if not len(codes):
        return []
    if not len(last) or last[-1] != len(codes) - 1:
        raise ValueError(f'the string of runs ends within a number: {counts[-8:]!r}')
    first = np.concatenate([[0], last[:-1] + 1])
    place = 5 * (np.arange(len(codes)) - np.repeat(first, last - first + 1))
    values = np.add.reduceat((codes & 0x1F) << place, first)
    values -= np.where(codes[last] & 0x10, 1 << (place[last] + 5), 0)
    for start in (1, 2):
        values[start::2] = np.cumsum(values[start::2])
    return values.tolist()


def instance_mask(segmentation: list | dict, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool of one annotation: the union of its polygons, or its runs.

    Raises:
        ValueError: if it fits neither form or the picture.
    """
    if isinstance(segmentation, dict):
        return rle_mask(segmentation['counts'], shape)
    return polygon_mask(segmentation, shape)


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
