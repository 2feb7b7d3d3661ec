# Licensed under Apache-2.0.
"""Label maps as indexed PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .atomic_file import is_whole, write_picture
from .palette import full_palette

#: of the header of a PNG: where the colour type stands, and that of indexed files
_COLOUR_TYPE, _INDEXED = 25, 3


def is_label_png(path: str | Path) -> bool:
    """Whether a whole PNG of indexed colours is there, as :func:`save_label_png` does.

    A photo of that name is none. Only the first and the last bytes are read.
    """
    if not is_whole(path):
        return False
    with open(path, 'rb') as file:
        head = file.read(_COLOUR_TYPE + 1)
    return len(head) > _COLOUR_TYPE and head[_COLOUR_TYPE] == _INDEXED


def save_label_png(
    label: np.ndarray, path: str | Path, palette: Sequence[Sequence[int]] | None = None
) -> None:
    """Write a label map as an indexed PNG, the format of VOC's annotations.

    The file appears complete or not at all.

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
    picture = Image.fromarray(label.astype(np.uint8))
    picture.putpalette(full_palette(palette).tobytes())
    write_picture(picture, path)
