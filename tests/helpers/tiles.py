# Licensed under Apache-2.0.
"""Tiles of five bands and 16 bits, as remote sensing has them, drawn for a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BANDS, TOP = 5, 12000
#: class → the bands in which its squares are bright
BRIGHT = dict(forest=(3,), water=(4, 0))
GEO = dict(
    scale=(33550, 12, 3, (10.0, 10.0, 0.0), True),
    place=(33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True),
    keys=(34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    nodata=(42113, 2, 2, '0', True),
)


def draw_tile(classes: tuple[str, ...], seed: int, side: int) -> tuple:
    """A tile (side, side, 5) uint16 with a square a class, and its mask."""
    rng = np.random.default_rng(seed)
    tile = rng.integers(500, 3000, (side, side, BANDS))
    mask = np.zeros((side, side), np.uint8)
    for place, name in enumerate(classes):
        rows = slice(side // 8, side // 2)
        columns = slice(place * side // 2, place * side // 2 + side // 3)
        tile[rows, columns, list(BRIGHT[name])] += 8000
        mask[rows, columns] = list(BRIGHT).index(name) + 1
    return tile.astype(np.uint16), mask


def draw_tiles(root: Path, count: int = 6, side: int = 48) -> Path:
    """``images/*.tif`` (GeoTIFF), ``masks/*.png``, ``labels.csv``, ``classes.txt``."""
    tifffile = pytest.importorskip('tifffile')
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    lines = []
    for number in range(count):
        classes = [('forest',), ('water',), ('forest', 'water')][number % 3]
        tile, mask = draw_tile(classes, number, side)
        tifffile.imwrite(
            root / 'images' / f't{number}.tif',
            tile,
            photometric='minisblack',
            planarconfig='contig',
            metadata=None,
            extratags=list(GEO.values()),
        )
        Image.fromarray(mask).save(root / 'masks' / f't{number}.png')
        lines.append(f't{number}.tif,{",".join(classes)}\n')
    (root / 'labels.csv').write_text(''.join(lines))
    (root / 'classes.txt').write_text('forest\nwater\n')
    return root
