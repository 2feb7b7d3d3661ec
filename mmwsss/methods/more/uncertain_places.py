# Licensed under Apache-2.0.
"""Which tokens L_une looks at (MoRe): pure functions, nothing waits for the device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.cam import IGNORE

#: rows and columns at each border that aren't looked at, and the side of the window
MARGIN, WINDOW = 3, 6
#: mean of the levels that a window must have (uncertain 1, class 2)
LEVEL = 1.2
#: places of an image at most
COUNT = 8


def levels(target: Tensor) -> Tensor:
    """Token labels (B, h, w) → int64: 0 background, 1 uncertain (255), 2 a class."""
    return torch.where(target == IGNORE, 1, 2 * (target > 0).long())


def crowded(level: Tensor) -> Tensor:
    """Which uncertain tokens have enough foreground around them.

    Args:
        level: (B, h, w), see :func:`levels`.

    Returns:
        (B, h − 6, w − 6) bool; entry (i, j) is of the token (i + 3, j + 3), and its
        window is rows i to i + 5 and columns j to j + 5.
    """
    inner = _inner(level)
    means = F.avg_pool2d(level.float()[:, None], WINDOW, 1)[:, 0, :-1, :-1]
    # sums are whole numbers: half a unit keeps their comparison exact
    return (inner == 1) & (means * WINDOW**2 >= LEVEL * WINDOW**2 - 1e-3)


def choose_places(target: Tensor, order: Tensor) -> Tensor:
    """The places whose tokens L_une takes, at most eight an image.

    More than eight crowded ones: those eight that come first by ``order``. Otherwise
    all n of them, row by row, and (8 − n) // 4 tokens of a class, by ``order``; where
    there aren't so many, any of the inner map.

    Args:
        target: (B, h, w) int64 token labels.
        order: (B, h − 6, w − 6) numbers; the smallest comes first.

    Returns:
        (B, 8, 2) int64 rows and columns on the inner map, −1 where there is none. As
        coordinates of the whole map they lie three rows and columns up-left of the
        token that they were found at.

    Raises:
        ValueError: if a side of the grid has 6 tokens or fewer.
    """
    check_grid(tuple(target.shape[-2:]))
    level = levels(target)
    wanted, classes = crowded(level).flatten(1), (_inner(level) == 2).flatten(1)
    order = order.flatten(1)
    number = wanted.sum(1, keepdim=True)
    by_row = torch.arange(wanted.shape[1], device=target.device).to(order.dtype)
    first = _first(torch.where(number > COUNT, order, by_row), wanted)
    more = (COUNT - number).clamp_min(0) // 4
    enough = classes.sum(1, keepdim=True) >= more
    second = _first(order, classes | ~enough)
    more = more.clamp_max(wanted.shape[1])
    slot = torch.arange(COUNT, device=target.device).expand(len(target), -1)
    filled = second.gather(1, (slot - number).clamp(0, COUNT - 1))
    index = torch.where(slot < number, first, filled)
    width = target.shape[-1] - WINDOW
    places = torch.stack([index // width, index % width], -1)
    return places.masked_fill((slot >= number + more)[..., None], -1)


def check_grid(grid: tuple[int, int]) -> None:
    """Raise ValueError for grids without an inner map."""
    if min(grid) <= WINDOW:
        raise ValueError(
            f'the loss une looks at tokens {MARGIN} away from the border: it needs a '
            f'grid of {WINDOW + 1} x {WINDOW + 1} tokens or more, got {grid[0]} x '
            f'{grid[1]}: raise crop_size, or take a smaller patch_size'
        )


def _inner(level: Tensor) -> Tensor:
    return level[:, MARGIN:-MARGIN, MARGIN:-MARGIN]


def _first(order: Tensor, allowed: Tensor) -> Tensor:
    """(B, 8) index of the allowed ones with the smallest numbers, in their order."""
    order = order.expand_as(allowed).masked_fill(~allowed, float('inf'))
    found = order.argsort(dim=1, stable=True)[:, :COUNT]
    return F.pad(found, (0, COUNT - found.shape[1]))
