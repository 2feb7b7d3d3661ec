# Licensed under Apache-2.0.
"""Colours of class ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

IGNORE_COLOUR = (224, 224, 192)
#: linear sRGB → responses of the cones → (after a cube root) OKLab
_TO_CONES = np.array(
    [
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    ]
)
_TO_LAB = np.array(
    [
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    ]
)


def voc_palette(num_colours: int = 256) -> np.ndarray:
    """The PASCAL VOC colour table, (N, 3) uint8: id 0 is black.

    Bit k of a colour channel, from the top, is bit 3k (red), 3k+1 (green), 3k+2
    (blue) of the id.
    """
    ids = np.arange(num_colours)[:, None]
    channel = np.arange(3)[None]
    colours = np.zeros((num_colours, 3), np.int64)
    for bit in range(8):
        colours |= ((ids >> (3 * bit + channel)) & 1) << (7 - bit)
    return colours.astype(np.uint8)


#: OKLab's lightness and chroma above which a colour is seen on a darkened photograph
_LIGHT, _CHROMA = 0.4, 0.06


@cache
def _apart(num_colours: int) -> np.ndarray:
    """Black, then colours as far as can be from those before; (N, 3) uint8.

    Distances are those of OKLab, in which equal ones look equal (Ottosson, 2020).
    """
    steps = np.linspace(0, 255, 16).round()
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing='ij'), -1).reshape(-1, 3)
    places = _oklab(grid)
    seen = (places[:, 0] > _LIGHT) & (np.hypot(*places[:, 1:].T) > _CHROMA)
    grid, places = grid[seen], places[seen]
    taken = _oklab(np.array([(0, 0, 0), IGNORE_COLOUR, (255, 255, 255)], np.float64))
    nearest = np.linalg.norm(places[:, None] - taken, axis=-1).min(1)
    chosen: list[int] = []
    for _ in range(1, num_colours):
        chosen.append(int(nearest.argmax()))
        distance = np.linalg.norm(places - places[chosen[-1]], axis=-1)
        nearest = np.minimum(nearest, distance)
    return np.concatenate([np.zeros((1, 3)), grid[chosen]]).astype(np.uint8)


def _oklab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) in 0..255 → OKLab (N, 3)."""
    unit = rgb / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T


def class_palette(num_classes: int) -> list[list[int]]:
    """Colours for a data set that has none: a black background, classes well apart.

    The colour of a class doesn't depend on how many there are. The colour of ignored
    pixels and white, which borders are drawn in, are kept away from.

    Args:
        num_classes: background included, at most 256.

    Returns:
        ``num_classes`` colours in 0..255.
    """
    return _apart(num_classes).tolist()


def full_palette(palette: Sequence[Sequence[int]] | None) -> np.ndarray:
    """Extend a data set's palette to 256 colours, 255 = ignore.

    Args:
        palette: Colours (K, 3) in 0..255 by class id, or None for VOC's.

    Returns:
        (256, 3) uint8; ids beyond K take VOC's colours.
    """
    table = voc_palette(256)
    if palette is not None and len(palette):
        table[: len(palette)] = np.asarray(palette, np.uint8)[:256]
    table[255] = IGNORE_COLOUR
    return table
