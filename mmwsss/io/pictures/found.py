# Licensed under Apache-2.0.
"""What was found in a picture that no rule covers, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmwsss.io.wording import of_data_set


def described(values: np.ndarray) -> str:
    """Depth, range and bands, for messages."""
    bits, kind = 8 * values.dtype.itemsize, values.dtype.kind
    depth = f'{bits}-bit floating-point' if kind == 'f' else f'{bits}-bit'
    finite = values[np.isfinite(values)] if kind == 'f' else values
    span = f'{finite.min():g}..{finite.max():g}' if finite.size else 'none'
    count = values.shape[2]
    return f'{depth} values {span} in {count} band{"s" if count > 1 else ""}'


def needs(values: np.ndarray) -> tuple[str, str]:
    """Problem and fix of a picture that no rule says how to read."""
    wanted: dict[str, Any] = {}
    if values.dtype != np.uint8:
        finite = values[np.isfinite(values)] if values.dtype.kind == 'f' else values
        ends = (finite.min(), finite.max()) if finite.size else (0, 1)
        wanted['value_range'] = tuple(map(_number, ends))
    if values.shape[2] not in (1, 3):
        wanted['bands'] = (0, 1, 2)
    fix = f'say what the network gets by {of_data_set("picture", wanted)}'
    if values.dtype != np.uint8:
        fix += ' with the range of all pictures, or percentiles=(2, 98) of each'
    if values.shape[2] not in (1, 3):
        fix += ', and more bands for a network with in_channels of that number'
    return f'holds {described(values)}, not 8-bit RGB', fix


def _number(value: Any) -> float:
    """A number as it is written: whole, or with six digits."""
    value = float(f'{value:g}')
    return int(value) if value.is_integer() else value
