# Licensed under Apache-2.0.
"""Reading masks written before, writing lists of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .atomic_file import write_atomic


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


def write_labels(path: str | Path, labels: Mapping[str, Sequence[str]]) -> None:
    """Write lines ``name class ...``, blanks in class names as ``_``, in one step."""
    lines = [
        ' '.join([name, *(item.replace(' ', '_') for item in classes)])
        for name, classes in labels.items()
    ]
    text = ''.join(f'{line}\n' for line in lines)
    write_atomic(text.encode(), path)
