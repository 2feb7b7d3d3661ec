# Licensed under Apache-2.0.
"""Read a picture as a rule says: what every stage of the house calls."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import replace
from functools import cache
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from mmengine import fileio
from mmengine.logging import print_log
from PIL import Image
from torch import Tensor

from mmwsss.io.data_errors import PictureError, UnreadableImageError
from mmwsss.io.errors import UserError

from .alpha import without_alpha
from .broken import first_bytes, unreadable
from .found import described, needs
from .levels import (
    percentile_ranges,
    shown_channels,
    to_levels,
    turn_back,
    turn_upright,
    upright_size,
)
from .picture_kind import PictureKind, kind_of
from .picture_rule import PictureRule
from .tiff_pages import (
    NODATA,
    band_count,
    meant,
    read_tiff,
    tifffile_module,
    whole_series,
)

Path = str | os.PathLike
#: what readers raise that meet a damaged file
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error),
    Image.DecompressionBombError,
)
_PLAIN_RULE = PictureRule()
_PHOTOMETRIC = 262  # tag of TIFF


class Picture(NamedTuple):
    """A picture as the network gets it.

    Attributes:
        pixels: (H, W, N) uint8; N = 3, RGB, unless the rule takes other bands.
        kind: what the file holds.
    """

    pixels: np.ndarray
    kind: PictureKind


def read_picture(
    path: Path, rule: PictureRule | None = None, backend_args: dict | None = None
) -> Picture:
    """Read a picture file.

    Args:
        path: of the picture.
        rule: of its data set; ``None``: 8 bits, RGB, turned upright.
        backend_args: arguments of mmengine's file client, None for local files.

    Raises:
        UnreadableImageError: if it is missing or is no whole picture, saying what it
            is instead.
        PictureError: if it is a picture that the rule doesn't cover, with the values
            found.
    """
    rule = rule or _PLAIN_RULE
    values, kind = _read(path, backend_args)
    pixels = _as_levels(str(path), _taken(str(path), values, kind, rule), rule)
    if pixels.shape[2] == 1 and rule.bands is None:
        pixels = np.repeat(pixels, 3, 2)  # grey
    turned = turn_upright(pixels, kind.orientation) if rule.turns else pixels
    return Picture(np.ascontiguousarray(turned), kind)


def read_stored(path: Path, rule: PictureRule | None = None) -> np.ndarray:
    """The values (H, W, N) as the file holds them, of the rule's bands or of all.

    They are turned as the rule says; ordinary pictures are RGB, an alpha channel counts
    only where the rule takes it.

    Raises:
        UnreadableImageError, PictureError: as :func:`read_picture`.
    """
    rule = rule or _PLAIN_RULE
    values, kind = _read(path, None)
    if rule.bands is not None:
        values = _taken(str(path), values, kind, rule)
    elif kind.alpha:
        values = values[..., :-1]
    return turn_upright(values, kind.orientation) if rule.turns else values


def read_rgb(
    path: Path, rule: PictureRule | None = None, backend_args: dict | None = None
) -> np.ndarray:
    """What is shown of a picture, (H, W, 3) uint8: RGB, or the rule's ``show_bands``.

    Args, raises: those of :func:`read_picture`.
    """
    pixels = read_picture(path, rule, backend_args).pixels
    return shown(pixels, rule)


def shown(pixels: np.ndarray, rule: PictureRule | None = None) -> np.ndarray:
    """The channels (H, W, 3) of (H, W, N) that are shown as R, G and B."""
    channels = shown_channels(pixels.shape[2], rule or _PLAIN_RULE)
    same = channels == (0, 1, 2) and pixels.shape[2] == 3
    return pixels if same else pixels[..., list(channels)]


def read_pixels(
    path: Path, device: str = 'cpu', rule: PictureRule | None = None
) -> Tensor:
    """A picture as refiners take it: (1, 3, H, W) RGB grey levels 0..255, float32."""
    return to_tensor(read_rgb(path, rule))[None].to(device).float()


def to_tensor(pixels: np.ndarray) -> Tensor:
    """(H, W, N) array to a contiguous (N, H, W) tensor of its own memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).copy())


def picture_kind(path: Path) -> PictureKind:
    """What a file holds, from its header.

    Raises:
        UnreadableImageError: if it is missing or no picture.
    """
    try:
        with open(path, 'rb') as file:
            return _kind(file)
    except UserError:
        raise
    except FileNotFoundError as err:
        raise UnreadableImageError(str(path), err.strerror or err) from err
    except _BROKEN as err:
        raise unreadable(str(path), first_bytes(path), err) from err


def size_of(path: Path, rule: PictureRule | None = None) -> tuple[int, int]:
    """(H, W) of a picture as the rule turns it, from its header.

    Raises:
        UnreadableImageError: if it is missing or no picture.
    """
    kind = picture_kind(path)
    turns = (rule or _PLAIN_RULE).turns
    return upright_size(kind.size, kind.orientation) if turns else kind.size


def check_kind(path: str, kind: PictureKind, rule: PictureRule) -> None:
    """Whether a rule covers what a file's header says; its values come later.

    Raises:
        PictureError: if not: the picture is read, to say what values it has.
        UserError: if the extra that reads it isn't installed.
    """
    if kind.reader == 'tiff':
        tifffile_module()
    mapped = rule.value_range is not None or rule.percentiles is not None
    colours = kind.bands - kind.alpha
    lacking = rule.bands is not None and max(rule.bands) >= kind.bands
    many = rule.bands is None and colours not in (1, 3)
    if (kind.deep and not mapped) or lacking or many:
        read_picture(path, rule)


# ------------------------------------------------------------------------- the steps
def _read(path: Path, backend_args: dict | None) -> tuple[np.ndarray, PictureKind]:
    """Values as they are stored, and what is known of the file."""
    content = _content(path, backend_args)
    try:
        kind = _kind(io.BytesIO(content))
        values = _stored(content, kind)
    except UserError:
        raise
    except _BROKEN as err:
        raise unreadable(str(path), content, err) from err
    if values.dtype.kind == 'c':
        raise PictureError(
            str(path),
            f'holds complex numbers ({values.dtype}), as radar pictures do',
            'write their amplitude, or its logarithm, as a TIFF',
        )
    if kind.pages > 1:
        _say_once(f'{path} holds {kind.pages} pictures: the first of a file is read')
    return values, kind


def _content(path: Path, backend_args: dict | None) -> bytes:
    try:
        return fileio.get(path, backend_args=backend_args)
    except OSError as err:
        raise UnreadableImageError(str(path), err.strerror or err) from err


def _kind(stream: BinaryIO) -> PictureKind:
    """The header; a TIFF of more bands than Pillow takes is looked at by tifffile."""
    try:
        kind = kind_of(stream)
        # a stack of pages, of which Pillow sees the first
        stacked = kind.reader == 'tiff' and kind.bands == 1
        return replace(kind, bands=_tiff_kind(stream).bands) if stacked else kind
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        stream.seek(0)
        if stream.read(4) not in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
            raise
        stream.seek(0)
        return _tiff_kind(stream)


def _tiff_kind(stream: BinaryIO) -> PictureKind:
    module = tifffile_module()
    try:
        with module.TiffFile(stream) as file:
            series = whole_series(file)[0]
            page = series.keyframe
            tag = page.tags.get(274)
            orientation = 1 if tag is None else int(tag.value)
            size = (page.imagelength, page.imagewidth)
            return PictureKind(
                size, 'tiff', band_count(series), page.bitspersample > 8, False,
                orientation,
            )  # fmt: skip
    except module.TiffFileError as err:
        raise OSError(str(err)) from err


def _stored(content: bytes, kind: PictureKind) -> np.ndarray:
    """(H, W, N) values as they are stored, not turned; plain ones as RGB or RGBA."""
    if kind.reader == 'tiff':
        values, left_out = read_tiff(io.BytesIO(content))
        if left_out:
            _say_once(
                f'of a TIFF of several pictures the first is read ({left_out} more)'
            )
        return values
    if kind.reader == 'opencv':
        return _by_opencv(content)
    with Image.open(io.BytesIO(content)) as img:
        tiff = img.format == 'TIFF'
        if kind.reader == 'plain':
            pixels = np.asarray(img.convert('RGBA' if kind.alpha else 'RGB'))
        else:
            pixels = np.asarray(img)[..., None]
            if kind.alpha:
                pixels = _with_alpha(pixels, img.info['transparency'])
        if tiff and kind.deep:
            tags = img.tag_v2  # type: ignore[attr-defined]
            pixels = meant(pixels, tags.get(NODATA), tags.get(_PHOTOMETRIC) == 0)
    # Pillow has turned it upright while it loaded it
    return turn_back(pixels, kind.orientation) if tiff else pixels


def _with_alpha(values: np.ndarray, key: int) -> np.ndarray:
    """(H, W, 2): grey values, of which one is transparent, and their opacity."""
    opaque = np.iinfo(values.dtype).max
    return np.dstack([values, np.where(values == key, 0, opaque).astype(values.dtype)])


def _by_opencv(content: bytes) -> np.ndarray:
    """What Pillow would read as 8 bits, or stretch: deep PNGs of several bands, PGM."""
    import cv2  # slow to import, and rarely needed

    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise OSError('it is truncated or damaged')
    if values.ndim == 2:
        return values[..., None]
    order = [2, 1, 0, 3][: values.shape[2]] if values.shape[2] > 2 else [0, 1]
    return values[..., order]


def _taken(
    path: str, values: np.ndarray, kind: PictureKind, rule: PictureRule
) -> np.ndarray:
    """(H, W, N): the rule's bands, or all but an alpha channel that hides nothing."""
    count = values.shape[2]
    if rule.bands is not None:
        if max(rule.bands) >= count:
            raise PictureError(
                path,
                f'has {described(values)}, and picture.bands={rule.bands} asks for '
                f'band {max(rule.bands)}, counted from 0',
                'correct picture.bands of the data set, or take the file out',
            )
        return values[..., list(rule.bands)]
    if kind.alpha:
        values, count = without_alpha(path, values, rule), count - 1
    if count not in (1, 3):
        raise PictureError(path, *needs(values))
    return values


def _as_levels(path: str, values: np.ndarray, rule: PictureRule) -> np.ndarray:
    """(H, W, N) uint8, by the rule."""
    ranges = rule.ranges()
    if rule.percentiles is not None:
        return to_levels(values, percentile_ranges(values, rule.percentiles))
    if values.dtype == np.uint8 and ranges and max(high for _, high in ranges) > 255:
        raise PictureError(
            path,
            f'has 8 bits, and picture.value_range={rule.value_range} would make it '
            'black',
            'keep pictures of 8 bits and of more in data sets of their own',
        )
    if ranges:
        return to_levels(values, ranges)
    if values.dtype != np.uint8:
        raise PictureError(path, *needs(values))
    return values


@cache
def _say_once(text: str) -> None:
    print_log(text, 'current')
