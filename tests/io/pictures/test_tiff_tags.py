# Licensed under Apache-2.0.
"""What the tags of a TIFF say of its values, and of which page is the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmwsss.io.data_errors import PictureError, UnreadableImageError
from mmwsss.io.pictures.band_statistics import band_statistics
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_picture, size_of
from mmwsss.io.pictures.tiff_pages import meant

tifffile = pytest.importorskip('tifffile')
PERCENTILES = PictureRule(percentiles=(0, 100))


def nodata(path: Path, values: np.ndarray, value: str, **options) -> Path:
    tifffile.imwrite(path, values, extratags=[(42113, 's', 0, value, True)], **options)
    return path


@pytest.mark.parametrize('kind', ['float32', 'float64', 'int16'])
def test_what_gdal_calls_no_data_is_black_and_in_no_range(tmp_path, kind) -> None:
    heights = np.tile(np.linspace(10, 300, 80), (60, 1)).astype(kind)
    heights[50:] = -9999
    path = nodata(tmp_path / 'dem.tif', heights, '-9999')
    pixels = read_picture(path, PERCENTILES).pixels[..., 0]
    assert not pixels[50:].any()
    assert pixels[:50].min() == 0 and pixels[:50].max() == 255
    assert len(np.unique(pixels)) > 70  # 8 while -9999 was the low end
    found = band_statistics([path], PictureRule(), stored=True)
    assert found.low_percentile[0] >= 10
    with pytest.raises(PictureError, match=r'value_range=\(10, 300\)'):
        read_picture(path)


def test_no_data_in_one_of_several_bands(tmp_path) -> None:
    values = np.full((20, 30, 5), 500, np.uint16)
    values[:5, :, 2] = 0
    values[..., 4] = np.arange(30) + 100
    path = tmp_path / 'bands.tif'
    nodata(path, values, '0', planarconfig='contig', photometric='minisblack')
    pixels = read_picture(
        path, PictureRule(value_range=(0, 1000), bands=(0, 1, 2, 3, 4))
    ).pixels
    assert not pixels[:5, :, 2].any() and (pixels[5:, :, 2] == 128).all()


def test_white_is_zero_in_16_bits_as_in_8(tmp_path) -> None:
    ramp = np.tile(np.arange(60), (40, 1))
    for bits in (8, 16):
        values = ramp.astype(f'uint{bits}')
        path = tmp_path / f'{bits}.tif'
        tifffile.imwrite(path, values, photometric='miniswhite')
        rule = PERCENTILES if bits == 16 else None
        pixels = read_picture(path, rule).pixels[0, :, 0].astype(int)
        assert (np.diff(pixels) < 0).all(), bits


def test_8_bits_and_a_value_that_is_nowhere_change_nothing() -> None:
    photo = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert meant(photo, '0', True) is photo
    deep = np.ones((2, 2, 1), np.uint16)
    assert meant(deep, '-9999', False) is deep and meant(deep, 'none', False) is deep


def test_a_thumbnail_in_front_is_not_the_picture(tmp_path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    path = tmp_path / 'slide.tif'
    with tifffile.TiffWriter(path) as file:
        small = np.ascontiguousarray(photo[::4, ::4])
        file.write(small, subfiletype=1, photometric='rgb')
        file.write(photo, photometric='rgb')
    assert size_of(path) == (64, 96)
    assert np.array_equal(read_picture(path).pixels, photo)


def test_complex_numbers_are_refused_by_their_name(tmp_path) -> None:
    path = tmp_path / 'radar.tif'
    tifffile.imwrite(path, np.ones((20, 30), np.complex64))
    with pytest.raises(PictureError, match='complex numbers.*amplitude'):
        read_picture(path, PictureRule(value_range=(0, 1)))


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'II*\0\x10\0', 'cut off'),
        (b'MM\0*' + bytes(100), 'holds no picture'),
        (b'\0\5\x16\7\0\2\0\0Mac OS X        ' + bytes(200), 'macOS'),
        (bytes(128) + b'DICM' + b'\1' * 200, 'DICOM'),
        (b'\0\0\0\x18ftypisom' + b'\1' * 200, 'video'),
    ],
)
def test_what_is_no_picture_has_a_name(tmp_path, content: bytes, said: str) -> None:
    path = tmp_path / 'a.tif'
    path.write_bytes(content)
    for look in (read_picture, size_of):
        with pytest.raises(UnreadableImageError, match=said):
            look(path)
