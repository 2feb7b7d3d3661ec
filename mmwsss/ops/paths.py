# Licensed under Apache-2.0.
"""Affinity of pixels from an edge map: no strong edge on the line between them.

Source: Ahn, Cho and Kwak, "Weakly Supervised Learning of Instance Segmentation with
Inter-Pixel Relations" (IRNet, CVPR 2019), section 4.2 and equation 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ._checks import (
    can_inspect,
    check_finite,
    check_iterations,
    check_maps,
    compute_dtype,
)

__all__ = ['disc_offsets', 'pair_affinity', 'pair_offsets', 'path_affinity']

Offset = tuple[int, int]
#: a known path (its offset), moved by an offset, that is part of a longer one
Part = tuple[Offset, Offset]


def disc_offsets(radius: int) -> list[int]:
    """Neighbours nearer than ``radius``, in the order of :func:`path_affinity`.

    Args:
        radius: In pixels, >= 1; 1 leaves the pixel itself alone.

    Returns:
        (y, x) of the K neighbours, one after the other: those below (in the same
        row: to the right) row by row, then their opposites in the same order,
        then the pixel itself. K = 69 for radius 5.
    """
    forward = pair_offsets(radius)
    backward = [(-y, -x) for y, x in forward]
    return [step for pair in [*forward, *backward, (0, 0)] for step in pair]


def pair_offsets(radius: int) -> list[Offset]:
    """One (y, x) of each pair of opposites in the disc, without the centre.

    Args:
        radius: In pixels, >= 1.

    Returns:
        m offsets: (0, 1) to (0, radius - 1), then those below row by row. m = 34
        for radius 5, 152 for radius 10.

    Raises:
        ValueError: If the radius is no integer >= 1.
    """
    check_iterations('radius', radius)
    if radius < 1:
        raise ValueError(f'radius must be an integer >= 1, got {radius}')
    steps = range(1 - radius, radius)
    return [
        (y, x)
        for y in range(radius)
        for x in steps
        if (y > 0 or x > 0) and y * y + x * x < radius * radius
    ]


def path_affinity(edge: Tensor, radius: int = 5) -> Tensor:
    r"""Affinity of each pixel with its neighbours: no strong edge in between.

    .. math:: a_{ij} = 1 - \max_{p \in \text{path}(i, j)} \text{edge}_p

    The path are the pixels of the bounding box of i and j, both included, whose
    distance to the line through i and j is below 1. Differentiable.

    Args:
        edge: (B, 1, h, w) or (B, h, w), probability of an edge, 0..1. Half
            precision is computed in float32.
        radius: Neighbours nearer than this, in pixels, >= 1.

    Returns:
        (B, K, h, w), float32 (float64 for a float64 edge), neighbours in the
        order of :func:`disc_offsets`. Symmetric: both ends of a pair hold the
        same value. 0 with what lies outside the grid, 1 with the pixel itself.

    Raises:
        ValueError: Wrong rank, dtype, empty size or radius; values that are not
            finite or not in 0..1 (CPU only).
    """
    edge = check_edge(edge)
    offsets = pair_offsets(radius)
    with torch.autocast(edge.device.type, enabled=False):
        edge = edge.to(compute_dtype(edge))
        pad = radius - 1
        # What lies outside is an edge: nothing passes there.
        padded = F.pad(edge, (pad, pad, 0, pad), value=1.0)
        forward = list(_from_sources(padded, radius))
        backward = [_shift(a, y, x) for a, (y, x) in zip(forward, offsets)]
        return torch.cat([*forward, *backward, torch.ones_like(edge)], dim=1)


def pair_affinity(edge: Tensor, radius: int = 10) -> Tensor:
    """:func:`path_affinity` of each pair once, where the whole disc is inside.

    The training pairs of IRNet: a source is any pixel below and beside which all
    its neighbours lie within the grid. Differentiable.

    Args:
        edge: (B, 1, h, w) or (B, h, w), probability of an edge, 0..1. Half
            precision is computed in float32.
        radius: Neighbours nearer than this, in pixels, >= 1.

    Returns:
        (B, m, h - radius + 1, w - 2 * radius + 2), float32 (float64 for a float64
        edge): neighbours in the order of :func:`pair_offsets`, sources row by row
        from (0, radius - 1) on.

    Raises:
        ValueError: As :func:`path_affinity`, or the grid is too small for the
            radius.
    """
    edge = check_edge(edge)
    pair_offsets(radius)  # checks it
    check_pair_grid(tuple(edge.shape[-2:]), radius)
    with torch.autocast(edge.device.type, enabled=False):
        edge = edge.to(compute_dtype(edge))
        found = list(_from_sources(edge, radius))
        if not found:
            return edge[:, :0]
        return torch.cat(found, dim=1)


def check_pair_grid(size: tuple[int, int], radius: int) -> None:
    """Raise ValueError unless a grid (h, w) has a source of :func:`pair_affinity`."""
    least = radius, 2 * radius - 1
    if size[0] < least[0] or size[1] < least[1]:
        raise ValueError(
            f'pairs of radius {radius} need a grid of at least {least} (height, '
            f'width), got {tuple(size)}: use a smaller radius or larger images'
        )


def check_edge(edge: Tensor) -> Tensor:
    """The edge map as (B, 1, h, w); ValueError if it is none."""
    if isinstance(edge, Tensor) and edge.dim() == 3:
        edge = edge[:, None]
    check_maps('edge', edge)
    if edge.shape[1] != 1:
        raise ValueError(f'edge must have one channel, got {tuple(edge.shape)}')
    check_finite(edge=edge)
    if can_inspect(edge) and not bool(((edge >= 0) & (edge <= 1)).all()):
        raise ValueError('edge must lie in 0..1; take the sigmoid of logits first')
    return edge


# ------------------------------------------------------------------ shared maxima
def _path(y: int, x: int) -> frozenset[Offset]:
    """Pixels from (0, 0) to (y, x), y >= 0, near the line."""
    columns = range(min(0, x), max(0, x) + 1)
    return frozenset(
        (i, j)
        for i, j in product(range(y + 1), columns)
        if (y * j - x * i) ** 2 < y * y + x * x
    )


@torch.compiler.assume_constant_result
def _plan(radius: int) -> tuple[tuple[Offset, tuple[Part, ...]], ...]:
    """:func:`_make_plan`, which a compiler needn't follow."""
    return _make_plan(radius)


@lru_cache(maxsize=32)
def _make_plan(radius: int) -> tuple[tuple[Offset, tuple[Part, ...]], ...]:
    """How the maximum over each path comes of those over shorter ones.

    Neighbouring paths share most of their pixels, so few parts cover one: 325 instead
    of 2134 single pixels for radius 10. Greedy: always the part that adds most.
    """
    paths = {offset: _path(*offset) for offset in pair_offsets(radius)}
    known, plan = {(0, 0): frozenset([(0, 0)])}, []
    for offset in sorted(paths, key=lambda o: len(paths[o])):
        path, parts = paths[offset], []
        fitting = [
            ((of, by), moved)
            for (of, pixels), by in product(known.items(), sorted(path))
            if (moved := {(y + by[0], x + by[1]) for y, x in pixels}) <= path
        ]
        missing = set(path)
        while missing:
            part, moved = max(fitting, key=lambda found: len(found[1] & missing))
            parts.append(part)
            missing -= moved
        known[offset] = path
        plan.append((offset, tuple(parts)))
    return tuple(plan)


def _path_maxima(edge: Tensor, radius: int) -> dict[Offset, Tensor]:
    """Strongest edge between each pixel and the one at an offset, inside the grid.

    Returns:
        Offset (y, x) to (B, 1, h - y, w - abs(x)): of the pixels from row 0 and column
        max(0, -x) on whose neighbour is inside.
    """
    height, width = edge.shape[-2:]
    maxima = {(0, 0): edge}
    for (y, x), parts in _plan(radius):
        strongest = None
        for of, by in parts:
            left = max(0, -x) + by[1] - max(0, -of[1])
            view = maxima[of][
                ..., by[0] : by[0] + height - y, left : left + width - abs(x)
            ]
            strongest = view if strongest is None else torch.maximum(strongest, view)
        maxima[y, x] = strongest
    return maxima


def _from_sources(edge: Tensor, radius: int) -> Iterator[Tensor]:
    """(B, 1, h - radius + 1, w - 2 radius + 2) affinities for each offset."""
    maxima = _path_maxima(edge, radius)
    rows, columns = edge.shape[-2] - radius + 1, edge.shape[-1] - 2 * radius + 2
    for y, x in pair_offsets(radius):
        left = radius - 1 - max(0, -x)
        yield 1 - maxima[y, x][..., :rows, left : left + columns]


def _shift(maps: Tensor, y: int, x: int) -> Tensor:
    """Moved by (y, x), y >= 0, with zeros coming in: the other end of a pair."""
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (max(x, 0), max(-x, 0), y, 0))
    return padded[..., :height, max(-x, 0) : max(-x, 0) + width]
