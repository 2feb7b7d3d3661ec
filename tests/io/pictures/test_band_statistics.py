# Licensed under Apache-2.0.
"""Statistics of bands are those of all pixels at once, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmwsss.io.data_errors import PictureError
from mmwsss.io.errors import UserError
from mmwsss.io.pictures.band_statistics import band_statistics
from mmwsss.io.pictures.picture_rule import PictureRule
from tests.helpers.tiles import BANDS, TOP, draw_tiles


def stack(paths) -> np.ndarray:
    tifffile = pytest.importorskip('tifffile')
    return np.concatenate([tifffile.imread(p).reshape(-1, BANDS) for p in paths])


def test_stored_values_and_levels(tmp_path) -> None:
    paths = sorted((draw_tiles(tmp_path / 'd') / 'images').iterdir())
    pixels, found = stack(paths).astype(float), band_statistics(paths, stored=True)
    assert (found.pictures, found.pixels) == (6, len(pixels))
    np.testing.assert_allclose(found.mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, pixels.std(0), rtol=1e-12)
    np.testing.assert_array_equal(found.low, pixels.min(0))
    np.testing.assert_array_equal(found.high, pixels.max(0))
    np.testing.assert_allclose(found.high_percentile, np.percentile(pixels, 98, axis=0))
    rule = PictureRule(value_range=(0, TOP), bands=(4, 1))
    levels = band_statistics(paths, rule)
    wanted = np.rint(pixels[:, [4, 1]] / TOP * 255)
    np.testing.assert_allclose(levels.mean, wanted.mean(0), rtol=1e-12)
    np.testing.assert_allclose(levels.low_percentile, np.percentile(wanted, 2, axis=0))


def test_a_large_mean_loses_no_digits(tmp_path) -> None:
    rng, paths = np.random.default_rng(0), []
    for i in range(3):
        paths.append(tmp_path / f'{i}.tif')
        values = (1e6 + rng.normal(size=(30, 40))).astype(np.float32)
        Image.fromarray(values).save(paths[-1])
    found = band_statistics(paths, stored=True)
    every = np.stack([np.asarray(Image.open(p)) for p in paths]).astype(float)
    np.testing.assert_allclose(found.std, every.std(), rtol=1e-9)


def test_values_that_are_none_are_left_out(tmp_path) -> None:
    values = np.array([[1, np.nan, 3], [5, np.inf, 7]], np.float32)
    Image.fromarray(values).save(tmp_path / 'a.tif')
    found = band_statistics([tmp_path / 'a.tif'], stored=True)
    assert (found.mean, found.low, found.high) == (4, 1, 7)


def test_the_number_of_pictures_is_bounded(tmp_path) -> None:
    paths = []
    for i in range(9):
        paths.append(tmp_path / f'{i}.png')
        Image.fromarray(np.full((4, 5, 3), 10 * i, np.uint8)).save(paths[-1])
    found = band_statistics(paths, limit=3)
    assert found.pictures == 3 and found.mean.tolist() == [40, 40, 40]
    assert (found.low[0], found.high[0]) == (0, 80)


def test_refused(tmp_path) -> None:
    with pytest.raises(UserError, match='at least 1, got 0 pictures'):
        band_statistics([])
    paths = sorted((draw_tiles(tmp_path / 'd') / 'images').iterdir())
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / 'x.png')
    with pytest.raises(PictureError, match='has 3 bands, .* has 5'):
        band_statistics([*paths, tmp_path / 'x.png'], stored=True)
