# Licensed under Apache-2.0.
"""What somebody has marked in a picture, drawn as a map of ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from .region_points import disc_at

_IGNORE = 255
#: what is drawn: discs at points, a stroke along a line, what a border encloses; and
#: how many points each needs at least
KINDS = dict(point=1, line=1, area=3)


class Mark(NamedTuple):
    """One mark.

    Attributes:
        kind: one of ``KINDS``.
        points: (x, y) in pixels from the upper left corner of the picture.
        id: 0..C.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    id: int


def draw_marks(
    size: tuple[int, int], marks: Sequence[Mark], radius: int = 3
) -> np.ndarray:
    """Draw marks in their order; what comes later lies on top.

    Args:
        size: (H, W) of the picture.
        marks: of it.
        radius: of points, and half the width of lines, in pixels.

    Returns:
        (H, W) uint8 ids, 255 elsewhere.

    Raises:
        ValueError: for a mark of too few points, or a point outside of the picture.
    """
    known = np.full(size, _IGNORE, np.uint8)
    for mark in marks:
        _check(mark, size)
        points = [(int(x), int(y)) for x, y in mark.points]
        if mark.kind != 'point':
            known[_drawn(size, mark.kind, points, radius)] = mark.id
        for x, y in points if mark.kind != 'area' else ():
            place, disc = disc_at((y, x), radius, size)
            known[place][disc] = mark.id
    return known


def _check(mark: Mark, size: tuple[int, int]) -> None:
    """Refuse marks that can't be drawn; infinite and missing numbers lie outside too.

    Raises:
        ValueError: saying why.
    """
    if len(mark.points) < KINDS[mark.kind]:
        raise ValueError(
            f'its {mark.kind} has {len(mark.points)} points and needs '
            f'{KINDS[mark.kind]}'
        )
    for x, y in mark.points:
        if not (0 <= x < size[1] and 0 <= y < size[0]):
            raise ValueError(
                f'x={x:g}, y={y:g} lies outside of the picture, which is {size[1]} x '
                f'{size[0]} (width x height)'
            )


def _drawn(
    size: tuple[int, int], kind: str, points: list[tuple[int, int]], radius: int
) -> np.ndarray:
    """(H, W) bool: a stroke, or the inside of a border."""
    picture = Image.new('1', size[::-1])
    draw = ImageDraw.Draw(picture)
    if kind == 'line':
        draw.line(points, fill=1, width=2 * radius + 1, joint='curve')
    else:
        draw.polygon(points, fill=1, outline=1)
    return np.asarray(picture)
