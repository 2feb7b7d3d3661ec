# Licensed under Apache-2.0.
"""A mask lies where its picture lies."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import DataError
from mmwsss.io.pictures.georeference import copy_georeference, georeference_of
from tests.helpers.tiles import GEO, draw_tiles

tifffile = pytest.importorskip('tifffile')


def test_tags_go_with_the_mask(tmp_path) -> None:
    source = draw_tiles(tmp_path / 'd', 1) / 'images' / 't0.tif'
    mask = np.arange(48 * 48, dtype=np.int64).reshape(48, 48) % 3
    mask[0] = 255
    copy_georeference(
        source, mask, tmp_path / 'm.tif', [[0, 0, 0], [9, 8, 7], [1, 2, 3]]
    )
    with tifffile.TiffFile(tmp_path / 'm.tif') as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), mask)
        for code, _, _, value, _ in (GEO['scale'], GEO['place'], GEO['keys']):
            assert page.tags[code].value == value
        # the picture's 0 is the background of the mask, a class
        assert page.tags[42113].value == '255'
    with Image.open(tmp_path / 'm.tif') as img:
        np.testing.assert_array_equal(np.asarray(img), mask)
        assert img.convert('RGB').getpixel((1, 2)) == tuple(
            [[0, 0, 0], [9, 8, 7], [1, 2, 3]][mask[2, 1]]
        )
    assert list(tmp_path.glob('*.tmp*')) == []


def test_refused(tmp_path) -> None:
    source = draw_tiles(tmp_path / 'd', 1) / 'images' / 't0.tif'
    with pytest.raises(DataError, match=r'is \(48, 48\), its mask \(48, 47\)'):
        copy_georeference(source, np.zeros((48, 47), np.uint8), tmp_path / 'm.tif')
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / 'a.png')
    assert georeference_of(tmp_path / 'a.png') == []
    with pytest.raises(DataError, match='has no georeference'):
        copy_georeference(
            tmp_path / 'a.png', np.zeros((4, 4), np.uint8), tmp_path / 'm'
        )
    assert not (tmp_path / 'm.tif').exists()
