# Licensed under Apache-2.0.
"""The place on earth of a GeoTIFF, kept for the masks that are made of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.data_errors import DataError
from mmwsss.io.palette import full_palette

from .tiff_pages import tifffile_module

#: pixel scale, tie points, transformation, keys with their numbers and texts
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
#: GDAL's tag for the value of pixels without data
NODATA_TAG = 42113
_IGNORE = 255


def georeference_of(path: str | Path) -> list[tuple[int, int, int, Any, bool]]:
    """The tags that place a GeoTIFF, as tifffile's ``extratags``; empty without any.

    Where the picture names a value for pixels without data, the tag of a mask says 255,
    the id that is ignored: the picture's own value (often 0) is a class of the mask.

    Args:
        path: of a picture.

    Raises:
        UserError: if tifffile isn't installed.
    """
    module = tifffile_module()
    try:
        with module.TiffFile(path) as file:
            tags = file.pages[0].tags
            found = [
                (code, int(tags[code].dtype), tags[code].count, tags[code].value, True)
                for code in GEO_TAGS
                if code in tags
            ]
            if found and NODATA_TAG in tags:
                text = str(_IGNORE)
                found.append((NODATA_TAG, 2, len(text) + 1, text, True))
    except (module.TiffFileError, OSError):
        return []
    return found


def copy_georeference(
    source: str | Path,
    mask: np.ndarray,
    out: str | Path,
    palette: Sequence[Sequence[int]] | None = None,
) -> None:
    """Write a mask as a GeoTIFF that lies where its picture lies.

    The file appears complete or not at all.

    Args:
        source: the picture, a GeoTIFF.
        mask: (H, W) class ids 0..255, at the picture's size.
        out: file to write.
        palette: colours by class id, or ``None`` for VOC's.

    Raises:
        DataError: if the picture has no place, or another size.
        UserError: if tifffile isn't installed.
    """
    module, tags = tifffile_module(), georeference_of(source)
    if not tags:
        raise DataError(
            str(source),
            'has no georeference (tags 33550, 33922, 34735 of a GeoTIFF)',
            'give its mask as a PNG alone',
        )
    with module.TiffFile(source) as file:
        size = (file.pages[0].imagelength, file.pages[0].imagewidth)
    if tuple(mask.shape) != size:
        raise DataError(
            str(source),
            f'is {size}, its mask {tuple(mask.shape)} (height, width)',
            'predict it at its own size, not turned',
        )
    colours = full_palette(palette).astype(np.uint16).T * 257  # 8 bits to 16
    content = io.BytesIO()
    module.imwrite(
        content,
        mask.astype(np.uint8),
        photometric='palette',
        colormap=np.ascontiguousarray(colours),
        compression='zlib',
        metadata=None,
        extratags=tags,
    )
    write_atomic(content.getvalue(), out, durable=False)
