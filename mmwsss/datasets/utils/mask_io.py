# Licensed under Apache-2.0.
"""Writing masks and lists so that a half-written file is never seen."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..label_sources import Labels


def save_mask(path: str | Path, mask: np.ndarray, palette: Sequence[Sequence[int]]
              ) -> None:
    """Write class ids as a palette PNG, in one step (temporary name, rename).

    Args:
        path: where to; its folder must exist.
        mask: (H, W) uint8.
        palette: ``[r, g, b]`` of the classes; 255 becomes VOC's pale cream.
    """
    img = Image.fromarray(mask)
    colours = np.zeros((256, 3), dtype=np.uint8)
    colours[:len(palette)] = palette
    colours[255] = (224, 224, 192)
    img.putpalette(colours.tobytes())
    temporary = f'{path}.{os.getpid()}.tmp'
    img.save(temporary, format='PNG')
    os.replace(temporary, path)


def load_mask(path: str | Path, size: tuple[int, int]) -> np.ndarray | None:
    """The ids of a mask written before; None if it is no mask of that size.

    Args:
        path: the PNG.
        size: ``(height, width)``.
    """
    try:
        with Image.open(path) as img:
            mask = np.asarray(img)
    except (OSError, SyntaxError):
        return None
    return mask if mask.shape == tuple(size) else None


def write_labels(path: str | Path, labels: Labels) -> None:
    """Write lines ``name class ...``, blanks in class names as ``_``."""
    lines = [' '.join([name, *(item.replace(' ', '_') for item in classes)])
             for name, classes in labels.items()]
    write_lines(path, lines)


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write a text file in one step, its folder included."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    temporary.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    os.replace(temporary, path)
