# Licensed under Apache-2.0.
"""Masks of class ids from masks of other ids, or of colours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .errors import UserError

Colour = tuple[int, int, int]
_HEX = re.compile(r'#?([0-9a-fA-F]{6})')


def read_map(pairs: Sequence[str]) -> dict[int, int]:
    """``['255=1']`` as numbers.

    Raises:
        UserError: naming a pair that is none, or an id that stands twice.
    """
    found: dict[int, int] = {}
    for text in pairs:
        old, _, new = text.partition('=')
        if not old.strip().isdigit():
            raise UserError(f'{text!r} is no pair of ids: write OLD=NEW, e.g. 255=1')
        _put(found, int(old), new, text)
    return found


def read_colours(pairs: Sequence[str]) -> dict[Colour, int]:
    """``['255,0,0=1', '#00ff00=2']`` as colours and numbers.

    Raises:
        UserError: naming a pair that is none, or a colour that stands twice.
    """
    found: dict[Colour, int] = {}
    for text in pairs:
        colour, _, new = text.rpartition('=')
        _put(found, _colour(colour.strip(), text), new, text)
    return found


def _colour(colour: str, text: str) -> Colour:
    match = _HEX.fullmatch(colour)
    parts = colour.split(',')
    if match:
        red, green, blue = bytes.fromhex(match[1])
    elif len(parts) == 3 and all(p.strip().isdigit() and int(p) < 256 for p in parts):
        red, green, blue = map(int, parts)
    else:
        raise UserError(
            f'{text!r} is no colour and id: write R,G,B=ID or #rrggbb=ID, e.g. '
            '255,0,0=1'
        )
    return red, green, blue


def _put(found: dict, key: int | Colour, new: str, text: str) -> None:
    """Note a pair; ids are 0..255."""
    if not new.strip().isdigit() or int(new) > 255:
        raise UserError(f'{text!r} names no id: ids are whole numbers 0..255')
    if found.setdefault(key, int(new)) != int(new):
        raise UserError(f'{text!r}: {key} has two ids, {found[key]} and {new}')


def renamed(ids: np.ndarray, table: Mapping[int, int]) -> np.ndarray:
    """Ids by their new names; those that aren't in the table stay.

    Args:
        ids: (H, W) integers.
        table: old id → new.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: if an id above 255, or below 0, would stay.
    """
    values, places = np.unique(ids.astype(np.int64), return_inverse=True)
    new = np.array([table.get(value, value) for value in values.tolist()], np.int64)
    out = values[(new < 0) | (new > 255)]
    if out.size:
        raise UserError(
            f'holds the ids {out[:8].tolist()}, outside 0..255: say by --map what they '
            'become'
        )
    return new[places].reshape(ids.shape).astype(np.uint8)


def ids_of_colours(
    pixels: np.ndarray, colours: Mapping[Colour, int], other: int | None = None
) -> np.ndarray:
    """Class ids of a mask that is painted in colours.

    Args:
        pixels: (H, W, 3) uint8, RGB.
        colours: id of each colour.
        other: id of all other colours; ``None``: there must be none.

    Returns:
        (H, W) uint8.

    Raises:
        UserError: naming colours that have no id, and how much they cover.
    """
    wide = pixels.astype(np.int64)
    packed = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    values, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    rgb = [(v >> 16, v >> 8 & 255, v & 255) for v in values.tolist()]
    unknown = [i for i, colour in enumerate(rgb) if colour not in colours]
    if unknown and other is None:
        unknown.sort(key=lambda i: -counts[i])
        share = counts[unknown].sum() / packed.size
        raise UserError(
            f'holds {len(unknown)} colours without an id, in {share:.1%} of its '
            f'pixels: {", ".join(str(rgb[i]) for i in unknown[:4])}; name them by '
            '--colours, or --other 255 for all of them. Many similar ones are those of '
            'a JPEG or of a smoothed picture'
        )
    table = np.array([colours.get(colour, other or 0) for colour in rgb], np.uint8)
    return table[places].reshape(packed.shape)
