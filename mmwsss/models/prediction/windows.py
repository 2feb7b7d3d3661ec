# Licensed under Apache-2.0.
"""A large picture in overlapping windows, and their maps as one map without seams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from mmwsss.io.errors import UserError

#: (y0, y1, x0, x1), half-open, in pixels
Box: TypeAlias = tuple[int, int, int, int]
#: of a weight at a window's rim, so that no pixel has none
_RIM = 1e-3


def window_boxes(
    size: tuple[int, int], window: Sequence[int], overlap: float = 0.25, step: int = 1
) -> list[Box]:
    """Windows that cover a picture, evenly spread.

    Where the picture isn't longer than a window, one window has its whole length. Else
    all windows have one length, and begin at multiples of ``step``; fewer than ``step``
    pixels may be left out at the end, as by a network whose last patch doesn't fit.

    Args:
        size: (H, W) of the picture.
        window: (H, W) of the windows.
        overlap: share of a window's length that neighbours share at least, in [0, 1).
        step: pixels.

    Returns:
        Row by row.
    """
    rows, columns = (
        _spans(length, side, overlap, step)
        for length, side in zip(size, window, strict=True)
    )
    return [(*row, *column) for row in rows for column in columns]


def _spans(length: int, side: int, overlap: float, step: int) -> list[tuple[int, int]]:
    if length <= side:
        return [(0, length)]
    last = (length - side) // step  # of the begins, in steps
    stride = max(int(side * (1 - overlap)) // step, 1)
    count = -(-last // stride)
    begins = [round(i * last / count) * step for i in range(count + 1)] if last else [0]
    return [(begin, begin + side) for begin in begins]


def window_weight(size: tuple[int, int], like: Tensor) -> Tensor:
    """(h, w) smooth weight of a window: a sine arch each way, above 0 at the rim.

    Args:
        size: (h, w) of the window's map.
        like: gives type and device.
    """
    arches = [
        torch.sin(torch.pi * (torch.arange(n, device=like.device) + 0.5) / n)
        .square()
        .clamp_min(_RIM)
        .to(like.dtype)
        for n in size
    ]
    return arches[0][:, None] * arches[1]


def blend_windows(
    parts: Iterable[tuple[Box, Tensor]], boxes: Sequence[Box], size: tuple[int, int]
) -> Tensor:
    """One map of a whole picture from the maps of its windows.

    Each pixel is the mean of the windows that cover it, weighted by
    :func:`window_weight`. A single window's map is given as it is.

    Args:
        parts: (box, map (B, C, h, w) of that window), in any order; each window's map
            is coarser than the window by one whole number.
        boxes: all windows, from :func:`window_boxes`.
        size: (H, W) of the picture.

    Returns:
        (B, C, H', W') float32.

    Raises:
        UserError: if the windows aren't whole multiples of what a map's pixel stands
            for.
    """
    total = weights = None
    for box, part in parts:
        if len(boxes) == 1:
            return part.float()
        part = part.float()
        rows, columns = _grids(box, part, boxes, size)
        if total is None:
            extent = (rows[2], columns[2])
            total = part.new_zeros(*part.shape[:2], *extent)
            weights = part.new_zeros(extent)
        assert weights is not None  # made with the total
        weight = window_weight(tuple(part.shape[-2:]), part)
        place = slice(*rows[:2]), slice(*columns[:2])
        total[:, :, *place] += part * weight
        weights[place] += weight
    if total is None:
        raise ValueError('blend_windows needs the map of at least one window')
    return total / weights


def _grids(
    box: Box, part: Tensor, boxes: Sequence[Box], size: tuple[int, int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """For rows and columns: begin, end and length on the grid of the maps."""
    ends = max(b[1] for b in boxes), max(b[3] for b in boxes)
    spans = (box[:2], box[2:])
    rows, columns = (
        _grid(span, end, count)
        for span, end, count in zip(spans, ends, part.shape[-2:], strict=True)
    )
    return rows, columns


def _grid(span: Sequence[int], end: int, count: int) -> tuple[int, int, int]:
    begin, length = span[0], span[1] - span[0]
    if begin == 0 and span[1] == end:  # the only window this way
        return 0, count, count
    pixel = length // count  # of the map, in pixels of the picture
    if length % count or begin % pixel or end % pixel:
        raise UserError(
            f'test_cfg.windows: a window of {length} pixels gives {count} values of a '
            f'map, and windows begin at {begin}: give a windows.size that is a '
            "multiple of the network's reduction (32 fits all of ours)"
        )
    return begin // pixel, begin // pixel + count, end // pixel
