# Licensed under Apache-2.0.
"""Label maps as indexed PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

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


def save_label_png(
    label: np.ndarray, path: str | Path, palette: Sequence[Sequence[int]] | None = None
) -> None:
    """Write a label map as an indexed PNG, the format of VOC's annotations.

    Args:
        label: Class ids (H, W), integers in 0..255.
        path: File name; folders are made.
        palette: Colours by class id, or None for VOC's.

    Raises:
        ValueError: Wrong shape or range.
    """
    if label.ndim != 2 or label.min(initial=0) < 0 or label.max(initial=0) > 255:
        raise ValueError(
            f'{path}: label maps are (H, W) with ids 0..255, got shape '
            f'{label.shape}, range [{label.min()}, {label.max()}]'
        )
    picture = Image.fromarray(label.astype(np.uint8), mode='P')
    picture.putpalette(full_palette(palette).ravel().tolist())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
