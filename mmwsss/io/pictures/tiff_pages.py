# Licensed under Apache-2.0.
"""TIFFs that Pillow would cut bits or bands off: read by tifffile, an extra."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import BinaryIO

import numpy as np

from mmwsss.io.errors import UserError

#: axes of a TIFF that are bands: samples, channels, and a plain stack of pages
_BAND_AXES = 'SCQ'


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
        (H, W, N) in the file's own type, and how many pictures were left out. Pages of
        one size that the file declares as channels, or as a plain stack, are bands; of
        other files the first page counts.

    Raises:
        UserError: if tifffile, or what it needs for this compression, isn't installed.
        OSError, ValueError: if it can't be read.
    """
    module = tifffile_module()
    try:
        with module.TiffFile(stream) as file:
            series = file.series[0]
            axes = series.axes
            flat = all(axis in f'YX{_BAND_AXES}' for axis in axes)
            source = series if flat else file.pages[0]
            left_out = len(file.series) - 1 + (0 if flat else len(series.pages) - 1)
            return bands_last(source.asarray(), source.axes), left_out
    except module.TiffFileError as err:
        raise OSError(str(err)) from err
    except ValueError as err:
        if 'imagecodecs' in str(err):
            raise UserError(
                f'a TIFF of this compression ({err}) is read with imagecodecs, which '
                'is not installed: pip install "mmwsss[tiff]"'
            ) from err
        raise


def bands_last(values: np.ndarray, axes: str) -> np.ndarray:
    """(H, W, N) of an array with named axes; what isn't Y or X becomes bands.

    Args:
        values: the array.
        axes: a letter for each axis, among them ``Y`` and ``X``.
    """
    order = [i for i, axis in enumerate(axes) if axis not in 'YX']
    moved = np.transpose(values, (axes.index('Y'), axes.index('X'), *order))
    return moved.reshape(*moved.shape[:2], -1)
