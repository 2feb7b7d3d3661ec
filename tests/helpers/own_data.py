# Licensed under Apache-2.0.
"""Good and bad pictures of an inspection, drawn for a test: class folders, masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_part(bad: bool, seed: int, size: tuple[int, int]) -> tuple:
    """A brushed plate (H, W, 3) uint8, with a bright scratch if bad, and where."""
    rng = np.random.default_rng(seed)
    plate = 90 + 20 * rng.standard_normal((size[0], 1, 1)) + np.zeros((*size, 3))
    where = np.zeros(size, bool)
    if bad:
        y, x = rng.integers(8, size[0] - 30), rng.integers(8, size[1] - 30)
        where[y : y + 6, x : x + 24] = True
        plate[where] = 230
    return plate.clip(0, 255).astype(np.uint8), where


def draw_parts(
    root: Path, good: int = 6, bad: int = 6, size: tuple[int, int] = (96, 128)
) -> Path:
    """``parts/{good,bad}/*.png``; of the bad ones ``masks/bad/*_mask.png`` 0/255."""
    for number in range(good + bad):
        kind = 'bad' if number < bad else 'good'
        part, where = draw_part(kind == 'bad', number, size)
        for path, pixels in (
            (root / 'parts' / kind / f'part {number}.png', part),
            (root / 'masks' / kind / f'part {number}_mask.png', where * np.uint8(255)),
        ):
            if kind == 'bad' or 'parts' in path.parts:
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root
