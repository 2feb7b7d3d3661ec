# Licensed under Apache-2.0.
"""What a picture file holds reaches the network, or is refused with what was found."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mmwsss.io.data_errors import PictureError, UnreadableImageError
from mmwsss.io.errors import UserError
from mmwsss.io.pictures import reader, tiff_pages
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import (
    picture_kind,
    read_picture,
    read_rgb,
    read_stored,
    size_of,
)

RAMP = np.linspace(0, 12000, 4800).reshape(60, 80).astype(np.uint16)
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def tiff(path: Path, values: np.ndarray, **options) -> Path:
    module = pytest.importorskip('tifffile')
    if values.ndim == 3 and 'photometric' in options:  # or it writes a stack of pages
        options = dict(planarconfig='contig') | options
    module.imwrite(path, values, **options)
    return path


def deep_png(path: Path, values: np.ndarray) -> Path:
    cv2 = pytest.importorskip('cv2')
    assert cv2.imwrite(str(path), values[..., [2, 1, 0, 3][: values.shape[2]]])
    return path


# -------------------------------------------------------------------- ordinary ones
def test_ordinary_pictures_are_pillows_rgb(tmp_path) -> None:
    for mode in ('1', 'L', 'P', 'CMYK', 'RGB', 'RGBA', 'LA'):
        path = tmp_path / f'{mode}.{"tif" if mode == "CMYK" else "png"}'
        Image.fromarray(PHOTO).convert(mode).save(path)
        with Image.open(path) as img:
            wanted = np.asarray(img.convert('RGB'))
        np.testing.assert_array_equal(read_rgb(path), wanted, err_msg=mode)


def test_what_is_hidden_by_transparency_is_refused(tmp_path) -> None:
    alpha = np.full((40, 60, 1), 255, np.uint8)
    alpha[:10] = 0
    Image.fromarray(np.dstack([PHOTO, alpha])).save(tmp_path / 'a.png')
    with pytest.raises(PictureError, match=r'transparent in 25\.0% of its pixels'):
        read_picture(tmp_path / 'a.png')
    taken = read_rgb(tmp_path / 'a.png', PictureRule(bands=(0, 1, 2)))
    np.testing.assert_array_equal(taken, PHOTO)
    for white in ('white', '#ffffff', [255, 255, 255]):
        flat = read_rgb(tmp_path / 'a.png', PictureRule(background=white))
        assert (flat[:10] == 255).all()
        np.testing.assert_array_equal(flat[10:], PHOTO[10:])
    for wrong in ('whitish', (1, 2), (1, 2, 300), 7):
        with pytest.raises(UserError, match=r'picture\.background must be a colour'):
            PictureRule(background=wrong)
    with pytest.raises(UserError, match='background .*, bands .*leave one out'):
        PictureRule(background='white', bands=(0, 1, 2))


def test_half_of_a_colour_is_half_of_the_background(tmp_path) -> None:
    values = np.zeros((1, 2, 4), np.uint8)
    values[0, :, 3] = 0, 51
    Image.fromarray(values).save(tmp_path / 'a.png')
    flat = read_rgb(tmp_path / 'a.png', PictureRule(background=(200, 100, 255)))
    assert flat[0].tolist() == [[200, 100, 255], [160, 80, 204]]


def test_the_first_of_an_animation_is_read(tmp_path, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(reader, 'print_log', lambda text, *_: said.append(text))
    first = Image.fromarray(PHOTO)
    options = dict(save_all=True, append_images=[ImageOps.invert(first)])
    first.save(tmp_path / 'a.webp', lossless=True, **options)
    np.testing.assert_array_equal(read_rgb(tmp_path / 'a.webp'), PHOTO)
    read_rgb(tmp_path / 'a.webp')
    assert sum('holds 2 pictures: the first' in text for text in said) == 1


# ------------------------------------------------------------------- depth and bands
def deep_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files by name, and what is said of them."""
    five = np.stack([RAMP] * 5, -1)
    grey, small = folder / 'grey.tif', folder / 'float.tif'
    Image.fromarray(RAMP).save(grey)
    Image.fromarray((RAMP / 12000).astype(np.float32)).save(small)
    Image.fromarray(RAMP).save(folder / 'grey.png')
    return {
        'grey tiff': (grey, r'16-bit values 0\.\.12000 in 1 band,'),
        'grey png': (folder / 'grey.png', r'16-bit values 0\.\.12000 in 1 band,'),
        'float': (small, r'32-bit floating-point values 0\.\.1 in 1 band,'),
        'rgb png': (deep_png(folder / 'rgb.png', five[..., :3]), 'in 3 bands,'),
        'rgb tiff': (
            tiff(folder / 'rgb.tif', five[..., :3], photometric='rgb'),
            r'16-bit values 0\.\.12000 in 3 bands,',
        ),
        'five': (tiff(folder / '5.tif', five, photometric='minisblack'), 'in 5 bands,'),
        'five pages': (tiff(folder / 'p.tif', np.stack([RAMP] * 5)), 'in 5 bands,'),
        'five planes': (
            tiff(
                folder / 's.tif',
                np.stack([RAMP] * 5),
                photometric='minisblack',
                planarconfig='separate',
                compression='zlib',
            ),
            'in 5 bands,',
        ),
        'fourth band': (
            tiff(
                folder / '4.tif',
                (five[..., :4] // 50).astype(np.uint8),
                photometric='rgb',
                extrasamples=['unspecified'],
            ),
            r'8-bit values 0\.\.240 in 4 bands,',
        ),
    }


def test_deep_pictures_are_refused_with_what_they_hold(tmp_path) -> None:
    for name, (path, found) in deep_files(tmp_path).items():
        with pytest.raises(PictureError, match=found) as error:
            read_picture(path)
        fix = str(error.value).partition('Fix: ')[2]
        assert ('value_range=' in fix) == (name != 'fourth band'), name
        assert ('bands=' in fix) == (name.startswith(('five', 'fourth'))), name


def test_a_rule_maps_them(tmp_path) -> None:
    rule = PictureRule(value_range=(0, 12000))
    wanted = np.rint(RAMP / 12000 * 255).astype(np.uint8)
    for name, (path, _) in deep_files(tmp_path).items():
        if name in ('float', 'fourth band'):
            continue
        bands = (0, 3, 4) if name.startswith('five') else None
        found = read_picture(path, PictureRule(value_range=(0, 12000), bands=bands))
        np.testing.assert_array_equal(found.pixels, np.stack([wanted] * 3, -1), name)
    assert (
        read_rgb(tmp_path / 'float.tif', PictureRule(value_range=(0, 1))).max() == 255
    )
    with pytest.raises(PictureError, match='would make it black'):
        Image.fromarray(PHOTO).save(tmp_path / 'photo.png')
        read_picture(tmp_path / 'photo.png', rule)


def test_bands_keep_their_order_and_one_is_one(tmp_path) -> None:
    values = np.stack([np.full((4, 6), 10 * i, np.uint8) for i in range(5)], -1)
    path = tiff(tmp_path / 'a.tif', values, photometric='minisblack')
    rule = PictureRule(bands=(4, 0, 2, 2), show_bands=(1, 0, 2))
    assert read_picture(path, rule).pixels[0, 0].tolist() == [40, 0, 20, 20]
    assert read_rgb(path, rule)[0, 0].tolist() == [0, 40, 20]
    one = PictureRule(bands=(3,))
    assert read_picture(path, one).pixels.shape == (4, 6, 1)
    assert read_rgb(path, one)[0, 0].tolist() == [30, 30, 30]
    with pytest.raises(PictureError, match=r'in 5 bands, and .* asks for band 7'):
        read_picture(path, PictureRule(bands=(7,)))


def test_ranges_by_band_and_percentiles(tmp_path) -> None:
    values = np.stack([RAMP, RAMP // 2, np.full_like(RAMP, 7)], -1)
    path = tiff(tmp_path / 'a.tif', values, photometric='rgb')
    ranges = ((0, 12000), (0, 6000), (0, 14))
    found = read_rgb(path, PictureRule(value_range=ranges)).reshape(-1, 3)
    assert found.min(0).tolist() == [0, 0, 128] and found.max(0).tolist() == [
        255
    ] * 2 + [128]
    found = read_rgb(path, PictureRule(percentiles=(2, 98))).reshape(-1, 3)
    assert found.max(0).tolist() == [255, 255, 0]  # a constant band has no range
    assert np.mean(found[:, 0] == 0) == pytest.approx(0.02, abs=0.005)


def test_values_that_are_none_become_black(tmp_path) -> None:
    values = np.array([[0, 1, np.nan], [np.inf, -np.inf, 0.5]], np.float32)
    Image.fromarray(values).save(tmp_path / 'a.tif')
    found = read_rgb(tmp_path / 'a.tif', PictureRule(value_range=(0, 1)))[..., 0]
    assert found.tolist() == [[0, 255, 0], [255, 0, 128]]


def test_without_the_extra_its_name_is_said(tmp_path, monkeypatch) -> None:
    path = tiff(tmp_path / 'a.tif', np.stack([RAMP] * 5, -1), photometric='minisblack')

    def absent(name: str):
        raise ImportError(name)

    monkeypatch.setattr(tiff_pages.importlib, 'import_module', absent)
    with pytest.raises(UserError, match=r'pip install "mmwsss\[tiff\]"'):
        read_picture(path)


# ------------------------------------------------------------------------------ EXIF
@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('form', ['a.png', 'a.tif', 'lzw.tif', 'a.jpg'])
def test_photos_are_turned_or_not(tmp_path, orientation, form) -> None:
    exif, path = Image.Exif(), tmp_path / form
    exif[0x0112] = orientation
    options = dict(compression='tiff_lzw') if form == 'lzw.tif' else {}
    Image.fromarray(PHOTO).save(path, exif=exif, **options)
    stored = read_picture(path, PictureRule(exif='ignore')).pixels
    if form != 'a.jpg':
        np.testing.assert_array_equal(stored, PHOTO)
    upright = Image.fromarray(stored)
    upright.getexif()[0x0112] = orientation
    wanted = np.asarray(ImageOps.exif_transpose(upright))
    for rule in (None, PictureRule(exif='turn')):
        found = read_picture(path, rule)
        np.testing.assert_array_equal(found.pixels, wanted)
        assert found.kind.orientation == orientation
        assert size_of(path, rule) == wanted.shape[:2]
    assert size_of(path, PictureRule(exif='ignore')) == PHOTO.shape[:2]


def test_orientation_of_a_deep_tiff(tmp_path) -> None:
    tag = (274, 3, 1, 6, True)
    path = tiff(tmp_path / 'a.tif', RAMP, extratags=[tag])
    rule = dict(value_range=(0, 12000))
    assert read_rgb(path, PictureRule(**rule)).shape == (80, 60, 3)
    assert read_rgb(path, PictureRule(exif='ignore', **rule)).shape == (60, 80, 3)


# -------------------------------------------------------------------------- no pictures
def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, 'JPEG')
    return buffer.getvalue()


NO_PICTURES = {
    'empty': (b'', r'empty, 0 bytes\).*copy or download'),
    'pointer': (
        b'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n',
        'git-lfs pointer.*git lfs pull',
    ),
    'page': (b'\n<!DOCTYPE html><html><body>log in', 'HTML page.*in a browser'),
    'xhtml': (b'<?xml version="1.0"?><html xmlns="x">', 'HTML page'),
    'cut': (jpeg()[:1000], 'cut off: .*copy or download'),
    'cut early': (jpeg()[:60], 'cut off'),
    'zeros': (bytes(2000), 'nothing but zeros'),
    'text': (b'hello there\n', "text file beginning with 'hello there'"),
    'heic': (b'\0\0\0\x18ftypheic\0\0', 'HEIC photo.*convert it to JPEG'),
    'noise': (bytes(range(256)) * 4, 'form of no picture'),
}


@pytest.mark.parametrize('name', NO_PICTURES)
def test_what_is_no_picture_is_called_by_its_name(tmp_path, name) -> None:
    content, words = NO_PICTURES[name]
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=words) as error:
        read_picture(path)
    assert str(error.value).startswith(str(path)) and 'BytesIO' not in str(error.value)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_a_missing_one(tmp_path) -> None:
    for read in (read_picture, picture_kind):
        with pytest.raises(UnreadableImageError, match='No such file'):
            read(tmp_path / 'a.jpg')


# ----------------------------------------------------------------------------- rules
WRONG = (
    (dict(value_range=(5, 1)), 'value_range must be'),
    (dict(value_range=(0, 1), percentiles=(2, 98)), 'leave one out'),
    (dict(percentiles=(2, 102)), 'percentiles must be'),
    (dict(bands=(0, -1)), 'bands must be'),
    (dict(bands=()), 'bands must be'),
    (dict(bands='012'), 'bands must be'),
    (dict(show_bands=(0, 1)), 'show_bands must be'),
    (dict(bands=(4, 5), show_bands=(0, 1, 2)), 'places among the 2 bands'),
    (dict(value_range=[(0, 1), (0, 2)]), '2 pairs for 3 bands'),
    (dict(exif='upright'), "picture.exif must be one of .*'upright'"),
    (dict(range=(0, 1)), "must be one of .*'range'"),
)


@pytest.mark.parametrize(('entries', 'words'), WRONG)
def test_a_rule_names_what_is_wrong(entries, words) -> None:
    with pytest.raises(UserError, match=words):
        PictureRule.of(entries)


def test_a_rule_is_plain_data_and_back() -> None:
    rule = PictureRule.of(dict(value_range=[0, 9.5], bands=[0, 2], exif='turn'))
    assert rule.entries() == dict(value_range=(0, 9.5), bands=(0, 2), exif='turn')
    assert PictureRule.of(rule.entries()) == rule == pickle.loads(pickle.dumps(rule))


def test_stored_values(tmp_path) -> None:
    path = tiff(
        tmp_path / 'a.tif', np.stack([RAMP, RAMP + 1], -1), photometric='minisblack'
    )
    found = read_stored(path)
    assert found.dtype == np.uint16 and found.shape == (60, 80, 2)
    assert read_stored(path, PictureRule(bands=(1,))).max() == 12001


def chunked_png(path: Path, values: np.ndarray, clear: int) -> Path:
    """A 16-bit PNG one of whose values, or greys of R, G and B, is transparent."""
    grey = values.ndim == 2
    head = struct.pack('>IIBBBBB', *values.shape[1::-1], 16, 0 if grey else 2, 0, 0, 0)
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)
    parts = {
        b'IHDR': head,
        b'tRNS': struct.pack('>H', clear) * (1 if grey else 3),
        b'IDAT': zlib.compress(rows),
        b'IEND': b'',
    }
    chunks = (
        struct.pack('>I', len(data))
        + kind
        + data
        + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in parts.items()
    )
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(chunks))
    return path


@pytest.mark.parametrize('bands', [1, 3])
def test_one_transparent_value_of_16_bits_is_seen(tmp_path, bands: int) -> None:
    values = RAMP.copy()
    values[:15] = 7  # a quarter
    stacked = values if bands == 1 else np.stack([values] * 3, -1)
    path = chunked_png(tmp_path / 'a.png', stacked, 7)
    rule = PictureRule(value_range=(0, 12000))
    with pytest.raises(PictureError, match=r'transparent in 25\.0% of its pixels'):
        read_picture(path, rule)
    path = chunked_png(path, stacked, 12001)  # nowhere
    assert read_picture(path, rule).pixels.max() == 255
    np.testing.assert_array_equal(read_stored(path)[..., 0], values)


@pytest.mark.parametrize('most', [4095, 65535])
def test_values_of_a_pgm_are_not_stretched(tmp_path, most: int) -> None:
    """Pillow makes 0..65535 of any range, or 8 bits of colours."""
    values = (RAMP // 3).astype('>u2')
    colours = np.stack([values, values // 2, values // 4], -1).astype('>u2')
    for name, kind, content in (('a.pgm', 'P5', values), ('a.ppm', 'P6', colours)):
        path = tmp_path / name
        path.write_bytes(f'{kind} 80 60 {most}\n'.encode() + content.tobytes())
        stored = read_stored(path)
        np.testing.assert_array_equal(stored.squeeze(), content)
        with pytest.raises(PictureError, match=r'16-bit values 0\.\.4000'):
            read_picture(path)
    Image.fromarray(PHOTO).save(tmp_path / 'plain.ppm')
    np.testing.assert_array_equal(read_rgb(tmp_path / 'plain.ppm'), PHOTO)
