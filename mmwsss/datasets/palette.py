# Licensed under Apache-2.0.
"""Colours of classes."""

from __future__ import annotations


def bit_palette(num_classes: int) -> list[list[int]]:
    """The colours of PASCAL VOC: bits of the id, spread over R, G and B.

    Args:
        num_classes: number of colours, background (black) first.

    Returns:
        ``num_classes`` lists ``[r, g, b]``, each 0..255.
    """
    return [_bit_colour(index) for index in range(num_classes)]


def _bit_colour(index: int) -> list[int]:
    colour = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            colour[channel] |= (index >> channel & 1) << (7 - bit)
        index >>= 3
    return colour
