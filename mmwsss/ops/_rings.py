# Licensed under Apache-2.0.
"""The neighbours that PAR compares each pixel with."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ['ring_offsets']

_RING = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))


def ring_offsets(dilations: Sequence[int]) -> list[int]:
    """(y, x) of 8 neighbours per dilation, one after the other: by dilation,
    then row-major over the ring without its centre."""
    return [d * step for d in dilations for pair in _RING for step in pair]
