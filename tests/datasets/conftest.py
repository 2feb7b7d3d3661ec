# Licensed under Apache-2.0.
"""A small data set in VOC's layout, made on the fly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

LABELS = {'a': ('cat',), 'b': ('dog', 'cat'), 'c': ('dog',), 'd': ('red_fox',)}
CLASSES = ('background', 'cat', 'dog', 'red fox')


def draw(root: Path, labels: dict = LABELS, size: tuple[int, int] = (24, 32)) -> Path:
    """Images, masks, list and classes; each mask shows the classes of its image."""
    rng = np.random.default_rng(0)
    names = [name.replace(' ', '_') for name in CLASSES]
    for folder in ('JPEGImages', 'SegmentationClass', 'splits'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, classes in labels.items():
        img = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(img).save(root / 'JPEGImages' / f'{name}.jpg')
        mask = np.zeros(size, np.uint8)
        for row, item in enumerate(classes):
            mask[4 * row : 4 * row + 4, 3:9] = names.index(item)
        mask[-1] = 255
        Image.fromarray(mask).save(root / 'SegmentationClass' / f'{name}.png')
    lines = ''.join(f'{name} {" ".join(classes)}\n' for name, classes in labels.items())
    for split in ('train', 'val'):
        (root / 'splits' / f'{split}.txt').write_text(lines)
    (root / 'classes.txt').write_text('cat\ndog\nred fox\n')
    return root


@pytest.fixture
def folder(tmp_path) -> Path:
    """Root of the data set."""
    return draw(tmp_path / 'set')


@pytest.fixture
def scope():
    """The scope that configs name as their default."""
    with DefaultScope.overwrite_default_scope('mmwsss'):
        yield
