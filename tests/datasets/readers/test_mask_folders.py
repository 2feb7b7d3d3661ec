# Licensed under Apache-2.0.
"""Folders of masks are no classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.readers.reading import read_table
from mmwsss.datasets.readers.vocabulary import Vocabulary
from mmwsss.io.data_errors import LabelError
from mmwsss.io.wording import setting, worded


def noise(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(str(path))).integers(0, 256, (12, 16, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def mask(path: Path, colours: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((12, 16) if colours == 1 else (12, 16, 3), np.uint8)
    pixels[3:6, 4:9] = 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def parts(tmp_path) -> Path:
    for i in range(6):
        noise(tmp_path / f'gut/a{i}.png')
        noise(tmp_path / f'Kratzer/b{i}.png')
    return tmp_path


@pytest.mark.parametrize('folder', ['masken', 'Masks', 'sonst', 'Kratzer/gt'])
@pytest.mark.parametrize('colours', [1, 3])
def test_masks_beside_classes_are_refused(parts, folder, colours) -> None:
    for i in range(4):
        mask(parts / folder / f'b{i}_mask.png', colours)
    with pytest.raises(
        LabelError,
        match=f'masks beside the classes: {folder}/ holds pictures of at most 2 values'
        f', 4 of 4 are named .* data_prefix.seg_map_path=.*{folder}',
    ):
        read_table(str(parts))
    labels = read_table(str(parts), beside=[str(parts / folder)]).labels
    assert len(labels) == 12 and not any('mask' in name for name in labels)


def test_what_is_named_as_a_class_is_one(parts) -> None:
    for i in range(4):
        mask(parts / f'masks/b{i}.png')
    known = Vocabulary(('Kratzer', 'gut', 'masks'))
    assert read_table(str(parts), known=known).labels['masks/b0.png'] == ('masks',)


def test_photos_and_drawings_are_classes(tmp_path) -> None:
    for i in range(4):
        noise(tmp_path / f'mask/a{i}.png')  # people with a mask
        noise(tmp_path / f'no_mask/b{i}.png')
        mask(tmp_path / f'drawing/c{i}.png')
    assert len(read_table(str(tmp_path)).labels) == 12


def test_drawings_alone_are_classes(tmp_path) -> None:
    for i in range(4):
        mask(tmp_path / f'circle/{i}.png')
        mask(tmp_path / f'square/{i}.bmp')
    assert len(read_table(str(tmp_path)).labels) == 8


def test_masks_and_double_photos_are_told_at_once(parts) -> None:
    mask(parts / 'masks/b0.png')
    (parts / 'gut/b1.png').write_bytes((parts / 'Kratzer/b1.png').read_bytes())
    with pytest.raises(
        ValueError, match=r'2 things .*\n  1\. .*masks.*\n  2\. .*photo'
    ):
        read_table(str(parts))


def test_settings_are_worded_for_the_tool() -> None:
    rule = dict(bands=(0, 1), exif='turn')
    assert setting('picture', rule) == "picture=dict(bands=(0, 1), exif='turn')"
    with worded({'picture': '--picture', 'negatives': '--negatives'}):
        assert setting('picture', rule) == '--picture bands=0,1 exif=turn'
        assert setting('negatives', ('a b', 'c')) == "--negatives 'a b' c"
        assert setting('negatives') == '--negatives'
        assert setting('check_masks', False) == 'check_masks=False'
    assert setting('negatives') == 'negatives'
