# Licensed under Apache-2.0.
"""What a picture file holds, from its header alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import ExifTags, Image

#: modes of Pillow that hold 8 bits a pixel or fewer, and become RGB
_PLAIN = ('1', 'L', 'P', 'RGB', 'CMYK', 'YCbCr', 'LAB', 'HSV')
_ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
_PNG = b'\x89PNG\r\n\x1a\n'
_PNG_BANDS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: tags of TIFF
_SUBFILE, _BITS, _BANDS, _EXTRA, _FORMAT = 254, 258, 277, 338, 339


@dataclass(frozen=True)
class PictureKind:
    """What is known of a file before its pixels are read.

    Attributes:
        size: (H, W) as stored.
        reader: ``'plain'``: Pillow gives 8 bits of RGB; ``'deep'``: Pillow gives the
            values themselves, one band; ``'opencv'`` and ``'tiff'``: Pillow would cut
            off bits or bands, or stretch the values.
        bands: how many there are, an alpha channel included; 3 or 4 where the reader is
            plain (grey and palettes count as RGB).
        deep: whether a value may have more than 8 bits.
        alpha: whether the last of them is one.
        orientation: of the EXIF, 1..8; 1: upright.
        pages: how many pictures the file holds, if it isn't a TIFF.
    """

    size: tuple[int, int]
    reader: str
    bands: int
    deep: bool = False
    alpha: bool = False
    orientation: int = 1
    pages: int = 1


def kind_of(stream: BinaryIO) -> PictureKind:
    """The kind of an open file, which stands at its beginning again afterwards.

    Raises:
        OSError, SyntaxError, ValueError: if Pillow knows no such picture, or sees a
            reduced copy of it first.
    """
    head = stream.read(32)
    stream.seek(0)
    with Image.open(stream) as img:
        size, pages = (img.height, img.width), _pages(img)
        reader, bands, deep, alpha = _layout(img, head)
        orientation = orientation_of(img)
        if _tags(img).get(_SUBFILE, 0) & 1 and getattr(img, 'n_frames', 1) > 1:
            raise ValueError('the first page is a reduced copy of another')
        if img.format == 'TIFF':  # Pillow tells the size of the upright picture
            size = (_tags(img)[257], _tags(img)[256])
    stream.seek(0)
    return PictureKind(size, reader, bands, deep, alpha, orientation, pages)


def _layout(img: Image.Image, head: bytes) -> tuple[str, int, bool, bool]:
    """Reader, number of bands, whether deep, whether the last is an alpha channel."""
    if head.startswith(_PNG) and head[24] == 16:
        bands = _PNG_BANDS.get(head[25], 1)
        keyed = 'transparency' in img.info  # one colour stands for it
        reader = 'opencv' if bands > 1 else 'deep'
        return reader, bands + keyed, True, keyed or bands in (2, 4)
    if img.format == 'PPM' and img.mode in ('I', 'RGB') and _most(img) > 255:
        return 'opencv', len(img.getbands()), True, False
    if img.format == 'TIFF' and not _pillow_keeps(img):
        tags = _tags(img)
        return 'tiff', int(tags.get(_BANDS, 1)), max(tags.get(_BITS, (1,))) > 8, False
    if img.mode in _ALPHA or 'transparency' in img.info:
        return 'plain', 4, False, True
    if img.mode in _PLAIN:
        return 'plain', 3, False, False
    return 'deep', 1, True, False


def _most(img: Image.Image) -> int:
    """The value that stands for white in a PGM or PPM, as it says."""
    tile = getattr(img, 'tile', ())
    args = tile[0].args if tile and img.mode != 'I' else ()
    return max((n for n in args or () if isinstance(n, int)), default=65535)


def _pillow_keeps(img: Image.Image) -> bool:
    """Whether Pillow gives all bits, bands and pages of a TIFF."""
    tags = _tags(img)
    bands = int(tags.get(_BANDS, 1))
    if getattr(img, 'n_frames', 1) > 1:
        return False
    if max(tags.get(_BITS, (1,))) > 8:
        return bands == 1
    if max(tags.get(_FORMAT, (1,))) > 1:  # signed
        return False
    if img.mode in _ALPHA:
        return tuple(tags.get(_EXTRA, ())) in ((1,), (2,))
    return bands == (4 if img.mode == 'CMYK' else 1 if img.mode in '1LP' else 3)


def orientation_of(img: Image.Image) -> int:
    """The EXIF orientation of an open picture, 1..8."""
    tag = ExifTags.Base.Orientation
    if img.format == 'TIFF':
        found = _tags(img).get(tag, 1)
    elif img.format == 'PNG' and not {'exif', 'Raw profile type exif'} & set(img.info):
        found = 1  # Pillow would read all pixels to look for a later entry
    else:
        found = img.getexif().get(tag, 1)
    return found if found in range(1, 9) else 1


def _tags(img: Image.Image) -> Mapping[int, Any]:
    """The tags of a TIFF."""
    return getattr(img, 'tag_v2', {})


def _pages(img: Image.Image) -> int:
    """How many pictures there are; a phone's JPEG with previews (MPO) has one."""
    single = img.format in ('MPO', 'JPEG', 'TIFF')
    return 1 if single else getattr(img, 'n_frames', 1)
