# Licensed under Apache-2.0.
"""Colours of class ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IGNORE_COLOUR = (224, 224, 192)


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
