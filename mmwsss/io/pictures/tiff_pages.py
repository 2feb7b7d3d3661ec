# Licensed under Apache-2.0.
"""TIFFs that Pillow would cut bits or bands off: read by tifffile, an extra."""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from mmwsss.io.errors import UserError

#: axes of a TIFF that are bands: samples, channels, and a plain stack of pages
_BAND_AXES = 'SCQ'
#: GDAL's tag of the value that means "no data"
NODATA = 42113


def tifffile_module() -> ModuleType:
    """tifffile.

    Raises:
        UserError: naming the extra that brings it, if it isn't installed.
    """
    try:
        return importlib.import_module('tifffile')
    except ImportError as err:
        raise UserError(
            'TIFFs of more than 8 bits or with more bands than RGB are read by '
            'tifffile, which is not installed: pip install "mmwsss[tiff]"'
        ) from err


def read_tiff(stream: BinaryIO) -> tuple[np.ndarray, int]:
    """The values of a TIFF.

    Args:
        stream: the file.

    Returns:
        (H, W, N) in the file's own type (see :func:`meant`), and how many pictures
        were left out. Pages of one size that the file declares as channels, or as a
        plain stack, are bands; of other files the first page counts that is no reduced
        copy of another.

    Raises:
        UserError: if tifffile, or what it needs for this compression, isn't installed.
        OSError, ValueError: if it can't be read.
    """
    module = tifffile_module()
    try:
        with module.TiffFile(stream) as file:
            whole = whole_series(file)
            series = whole[0]
            flat = is_flat(series)
            page = series.keyframe
            source = series if flat else page
            left_out = len(whole) - 1 + (0 if flat else len(series.pages) - 1)
            values = bands_last(source.asarray(), source.axes)
            tag = page.tags.get(NODATA)
            nodata = None if tag is None else str(tag.value)
            return meant(values, nodata, int(page.photometric) == 0), left_out
    except module.TiffFileError as err:
        raise OSError(str(err)) from err
    except ValueError as err:
        if 'imagecodecs' in str(err):
            raise UserError(
                f'a TIFF of this compression ({err}) is read with imagecodecs, which '
                'is not installed: pip install "mmwsss[tiff]"'
            ) from err
        raise


def whole_series(file: Any) -> list[Any]:
    """The series of an open ``TiffFile`` that are no reduced copies, nor masks.

    Scanners put a thumbnail first.

    Raises:
        OSError: if the file holds no picture.
    """
    if not len(file.pages):
        raise OSError('the TIFF holds no picture')
    whole = [one for one in file.series if not int(one.keyframe.subfiletype) & (1 | 4)]
    return whole or list(file.series)


def is_flat(series: Any) -> bool:
    """Whether all pages of a series are bands of one picture."""
    return all(axis in f'YX{_BAND_AXES}' for axis in series.axes)


def band_count(series: Any) -> int:
    """How many bands :func:`read_tiff` makes of a series."""
    if not is_flat(series):
        return int(series.keyframe.samplesperpixel)
    sizes = zip(series.axes, series.shape, strict=True)
    return math.prod(size for axis, size in sizes if axis not in 'YX')


def meant(values: np.ndarray, nodata: str | None, white_is_zero: bool) -> np.ndarray:
    """What stored values mean, by the tags of a TIFF.

    Args:
        values: (H, W, N), of any type. 8-bit ones stay as they are: Pillow has seen
            to white, and what is "no data" in a photo has a colour already.
        nodata: GDAL's value for "no data", as text; ``None``: not declared.
        white_is_zero: whether 0 is white: whole numbers without sign are turned round.

    Returns:
        (H, W, N), in the same type; where some are "no data", floating-point numbers
        in which these are NaN.
    """
    if values.dtype.itemsize == 1 or values.dtype.kind not in 'uif':
        return values
    missing = None if nodata is None else values == _number(nodata)
    if white_is_zero and values.dtype.kind == 'u':
        values = np.iinfo(values.dtype).max - values
    if missing is None or not missing.any():
        return values
    kind = np.result_type(values.dtype, np.float32)
    return np.where(missing, np.asarray(np.nan, kind), values)


def _number(text: str) -> float:
    """The number of a tag; NaN, which equals nothing, if it is none."""
    try:
        return float(text.strip(' \0'))
    except ValueError:
        return float('nan')


def bands_last(values: np.ndarray, axes: str) -> np.ndarray:
    """(H, W, N) of an array with named axes; what isn't Y or X becomes bands.

    Args:
        values: the array.
        axes: a letter for each axis, among them ``Y`` and ``X``.
    """
    order = [i for i, axis in enumerate(axes) if axis not in 'YX']
    moved = np.transpose(values, (axes.index('Y'), axes.index('X'), *order))
    return moved.reshape(*moved.shape[:2], -1)
