# Licensed under Apache-2.0.
"""Settings of two values, which configs hold as lists too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar('Value')


def pair(values: Sequence[Value]) -> tuple[Value, Value]:
    """Two values as a tuple.

    Raises:
        ValueError: if there aren't two.
    """
    if len(values) != 2:
        raise ValueError(f'needed are two values, got {values!r}')
    return values[0], values[1]


def height_width(size: int | Sequence[int]) -> tuple[int, int]:
    """``(height, width)`` of a size that may be given as one side.

    Raises:
        ValueError: if it is neither one side nor two.
    """
    return (size, size) if isinstance(size, int) else pair(size)
