# Licensed under Apache-2.0.
"""Colours of classes that nobody has given any."""

from __future__ import annotations

import colorsys

import numpy as np

#: of the circle of hues: neighbours in the list are far apart on it
_GOLDEN = 0.618034
#: (saturation, value) that take turns, so that near hues still differ
_TONES = ((0.85, 0.95), (0.6, 1.0), (0.9, 0.65))


def distinct_palette(num_classes: int) -> np.ndarray:
    """Black for the background, then colours well apart from it and from each other.

    Args:
        num_classes: C + 1, background included.

    Returns:
        (C + 1, 3) uint8. Fewer classes have the first of the same colours.
    """
    colours = [
        colorsys.hsv_to_rgb((0.02 + i * _GOLDEN) % 1, *_TONES[i // 6 % len(_TONES)])
        for i in range(num_classes - 1)
    ]
    table = np.array([(0.0, 0.0, 0.0), *colours])
    return (255 * table).round().astype(np.uint8)
