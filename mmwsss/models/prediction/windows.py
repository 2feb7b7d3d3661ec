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


class WindowBlend:
    """Makes one map of a whole picture from the maps of its windows, one by one.

    Each pixel is the mean of the windows that cover it, weighted by
    :func:`window_weight`. A single window's map is given as it is. Of the windows
    nothing is kept but their sum.

    Args:
        boxes: all windows, from :func:`window_boxes`.
    """

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.single = len(boxes) == 1
        self.ends = max(b[1] for b in boxes), max(b[3] for b in boxes)
        self.total: Tensor | None = None
        self.weights: Tensor | None = None

    def add(self, box: Box, part: Tensor) -> None:
        """Add the map of a window.

        Args:
            box: the window.
            part: (B, C, h, w), coarser than the window by one whole number.

        Raises:
            UserError: if the windows aren't whole multiples of what a map's pixel
                stands for.
        """
        part = part.float()
        if self.single:
            self.total = part
            return
        rows, columns = (
            _grid(span, end, count)
            for span, end, count in zip((box[:2], box[2:]), self.ends, part.shape[-2:])
        )
        if self.total is None or self.weights is None:
            extent = (rows[2], columns[2])
            self.total = part.new_zeros(*part.shape[:2], *extent)
            self.weights = part.new_zeros(extent)
        weight = window_weight(tuple(part.shape[-2:]), part)
        place = slice(*rows[:2]), slice(*columns[:2])
        self.total[:, :, *place] += part * weight
        self.weights[place] += weight

    def map(self) -> Tensor:
        """(B, C, H', W') float32; nothing can be added afterwards.

        Raises:
            ValueError: if no window was added.
        """
        if self.total is None:
            raise ValueError('a blend of windows needs the map of at least one')
        return self.total if self.weights is None else self.total.div_(self.weights)


def blend_windows(parts: Iterable[tuple[Box, Tensor]], boxes: Sequence[Box]) -> Tensor:
    """One map of a whole picture from the maps of its windows: :class:`WindowBlend`.

    Args:
        parts: (box, map (B, C, h, w) of that window), in any order.
        boxes: all windows, from :func:`window_boxes`.

    Returns:
        (B, C, H', W') float32.

    Raises:
        UserError: if the windows don't fit the network's grid.
    """
    blend = WindowBlend(boxes)
    for box, part in parts:
        blend.add(box, part)
    return blend.map()


def _grid(span: Sequence[int], end: int, count: int) -> tuple[int, int, int]:
    """Begin, end and length on the grid of the maps, for rows or for columns."""
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
