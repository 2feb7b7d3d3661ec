# Licensed under Apache-2.0.
"""What was found in a picture that no rule covers, in words."""

from __future__ import annotations

import numpy as np


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
    wanted = []
    if values.dtype != np.uint8:
        finite = values[np.isfinite(values)] if values.dtype.kind == 'f' else values
        low, high = (
            (f'{finite.min():g}', f'{finite.max():g}')
            if finite.size
            else ('LOW', 'HIGH')
        )
        wanted.append(f'value_range=({low}, {high})')
    if values.shape[2] not in (1, 3):
        wanted.append('bands=(0, 1, 2)')
    entries = ', '.join(wanted)
    fix = f'say in the data set what the network gets: picture=dict({entries})'
    if values.dtype != np.uint8:
        fix += ' with the range of all pictures, or percentiles=(2, 98) of each'
    if values.shape[2] not in (1, 3):
        fix += ', and more bands for a network with in_channels of that number'
    return f'holds {described(values)}, not 8-bit RGB', fix
