# Licensed under Apache-2.0.
"""Parts of resized maps, without ever making the whole: what large pictures need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .fusion import merge_mirror, resize

#: (y0, y1, x0, x1), half-open, in pixels
Part: TypeAlias = tuple[int, int, int, int]


def resize_part(maps: Tensor, size: tuple[int, int], part: Part) -> Tensor:
    """A part of what :func:`.resize` makes of maps; only that part is computed.

    Args:
        maps: (B, C, h, w) of any type; integers become float32.
        size: (H, W) of the whole result.
        part: of the result, within it.

    Returns:
        (B, C, y1 - y0, x1 - x0), equal to ``resize(maps, size)[..., y0:y1, x0:x1]`` but
        for rounding, and the same where the part is the whole; at equal size a view
        where the type allows it.
    """
    y0, y1, x0, x1 = part
    floating = maps.is_floating_point()
    if part == (0, size[0], 0, size[1]):
        return resize(maps if floating else maps.float(), size)
    if tuple(maps.shape[-2:]) == tuple(size):
        cut = maps[..., y0:y1, x0:x1]
        return cut if floating else cut.float()
    rows = _neighbours(maps.shape[-2], size[0], (y0, y1), maps.device)
    columns = _neighbours(maps.shape[-1], size[1], (x0, x1), maps.device)
    begin, end = int(columns[0][0]), int(columns[1][-1]) + 1
    maps = maps[..., begin:end]  # before rows are copied
    maps = _between(maps, -2, rows)
    return _between(maps, -1, (columns[0] - begin, columns[1] - begin, columns[2]))


def _neighbours(
    count: int, length: int, span: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the pixels of a span: the lower and upper one they lie between, and how far.

    In float32, as torch's bilinear interpolation computes them: at the same places.
    """
    at = torch.arange(*span, dtype=torch.float32, device=device)
    at = ((at + 0.5) * (count / length) - 0.5).clamp_min(0)
    low = at.floor().long().clamp_max(count - 1)
    return low, (low + 1).clamp_max(count - 1), (at - low).clamp(0, 1)


def _between(maps: Tensor, dim: int, where: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    low, high, share = where
    first, second = (maps.index_select(dim, index) for index in (low, high))
    if not first.is_floating_point():
        first, second = first.float(), second.float()
    share = share.to(first.dtype)
    return torch.lerp(first, second, share[:, None] if dim == -2 else share)


def fuse_seg_part(
    raw: Sequence[tuple[Tensor, Tensor | None]],
    size: tuple[int, int],
    part: Part,
    pair: str = 'sum',
    fuse: str = 'max',
) -> Tensor:
    """A part of what :func:`.fuse_seg_logits` makes of several scales and mirrors.

    Args:
        raw, size, pair, fuse: as there.
        part: of the result.

    Returns:
        (B, C + 1, y1 - y0, x1 - x0) float32.
    """
    total = None
    for plain, mirrored in raw:
        logits = resize_part(plain.float(), size, part)
        if mirrored is not None:
            turned = resize_part(mirrored.float().flip(-1), size, part)
            logits = merge_mirror(logits, turned.flip(-1), pair)
        if total is None:
            total = logits
        else:
            total = torch.maximum(total, logits) if fuse == 'max' else total + logits
    if total is None:
        raise ValueError('fuse_seg_part needs the logits of at least one scale')
    if fuse == 'mean':
        total = total / len(raw)
    return total


def tiles_of(
    size: tuple[int, int], side: int, margin: int = 0
) -> Iterator[tuple[Part, Part]]:
    """Tiles that cover a picture once, row by row, and what lies around each.

    Args:
        size: (H, W) of the picture.
        side: of a tile, in pixels.
        margin: of the surroundings, in pixels.

    Yields:
        The tile, and the same with its margin, cut at the picture's rim.
    """
    height, width = size
    for y0 in range(0, height, side):
        for x0 in range(0, width, side):
            y1, x1 = min(y0 + side, height), min(x0 + side, width)
            around = (
                *(max(y0 - margin, 0), min(y1 + margin, height)),
                *(max(x0 - margin, 0), min(x1 + margin, width)),
            )
            yield (y0, y1, x0, x1), around


def inside_of(tile: Part, around: Part) -> tuple[slice, slice]:
    """Where a tile lies in its surroundings: rows and columns."""
    y0, y1, x0, x1 = tile
    top, left = around[0], around[2]
    return slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
