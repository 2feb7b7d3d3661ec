# Licensed under Apache-2.0.
from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from mmengine.structures import PixelData
from PIL import Image

from mmwsss.datasets.transforms import functional as F
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.pictures.broken import what_it_is
from mmwsss.registry import SIDE_INPUT_KINDS

from .side_input_kind import SideInputKind

#: modes of Pillow whose pixels are ids; with a palette, indices into it
ID_MODES = ('P', 'L', '1', 'I', 'I;16')


def open_mask(content: bytes, path: str) -> Image.Image:
    """A mask of ids or colours, read whole; palettes are not applied.

    Raises:
        MaskError: if it can't be read.
    """
    try:
        img = Image.open(io.BytesIO(content))
        img.load()
        return img
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        cause, fix = what_it_is(content, err, 'write it again')
        raise MaskError(path, f'cannot be read ({cause})', fix) from err


def decode_mask(content: bytes, path: str) -> np.ndarray:
    """Decode a PNG of ids; palettes are not applied.

    Returns:
        (H, W) in the file's own type: bool, uint8, uint16 or int32.

    Raises:
        MaskError: if the file is no image, or one of colours.
    """
    img = open_mask(content, path)
    if img.mode not in ID_MODES:
        raise MaskError(
            path,
            f'holds colours (mode {img.mode}), not class ids',
            'save the ids as an 8-bit PNG, one value a pixel, or let '
            'tools/dataset_converters/masks.py MASKS OUT --colours R,G,B=ID ... do it',
        )
    return np.asarray(img)


def check_mask(
    mask: np.ndarray, path: str, num_classes: int, ignore_index: int = 255
) -> None:
    """Refuse ids that are neither a class nor the ignore value.

    Raises:
        MaskError: naming the file and the ids.
    """
    counts = np.bincount(mask.reshape(-1).astype(np.int64))
    counts[ignore_index : ignore_index + 1] = 0
    foreign = np.flatnonzero(counts[num_classes:]) + num_classes
    if foreign.size:
        raise MaskError(
            path,
            f'holds the ids {foreign[:8].tolist()}, outside 0..'
            f'{num_classes - 1} and {ignore_index}',
            'correct the mask, or the list of classes of the data set',
        )


@SIDE_INPUT_KINDS.register_module(name='ids')
class IdsKind(SideInputKind):
    """Whole numbers a pixel, in PNGs of up to 16 bits: segments, masks of classes.

    They go with the picture by nearest neighbours. Packed: (1, H, W) int64.

    Args:
        classes: whether the ids are classes of the data set: 0 background, 1..C, 255
            ignored. They are then checked, translated where the config chose some of
            the classes, and ignored outside the picture; else they are 0 outside.
        ignore_index: the id of pixels that don't count.
        optional: whether pictures may have no file: theirs is then all ``ignore_index``
            or, where the ids are no classes, all 0.
    """

    error: ClassVar[type[DataError]] = MaskError
    source = 'write those of this whole split (tools/generate_pseudo_labels.py)'
    label_map = True

    def __init__(
        self, classes: bool = False, ignore_index: int = 255, optional: bool = False
    ) -> None:
        self.classes = classes
        self.ignore_index = ignore_index
        self.outside = None if classes else 0
        self.optional = optional

    def load(
        self,
        path: str | None,
        results: Mapping[str, Any],
        backend_args: dict | None = None,
    ) -> np.ndarray:
        """(H, W) uint8 or, for larger ids, int32."""
        if path is None:
            fill = self.ignore_index if self.classes else 0
            return np.full(tuple(results['ori_shape'])[:2], fill, np.uint8)
        ids = decode_mask(self.read(path, backend_args), path)
        if 'ori_shape' in results:
            self.check_size(path, ids.shape, results, results['ori_shape'])
        if self.classes:
            return self._class_ids(ids, path, results)
        return ids.astype(np.uint8 if ids.dtype.itemsize == 1 else np.int32, copy=False)

    def _class_ids(
        self, ids: np.ndarray, path: str, results: Mapping[str, Any]
    ) -> np.ndarray:
        """Check the ids; map them where the user chose some of the classes."""
        label_map = results.get('label_map')
        if label_map is None:
            check_mask(ids, path, results['num_foreground'] + 1, self.ignore_index)
            return ids.astype(np.uint8, copy=False)
        check_mask(ids, path, len(label_map), self.ignore_index)
        table = np.full(256, self.ignore_index, dtype=np.uint8)
        for old, new in label_map.items():
            table[old] = new
        return table[ids.astype(np.uint8, copy=False)]

    def resize(
        self,
        array: np.ndarray,
        size: tuple[int, int],
        resample: str,
        align_corners: bool,
    ) -> np.ndarray:
        """Resize by nearest neighbours, whatever the picture's filter is."""
        ids = Image.fromarray(array)
        return np.asarray(ids.resize(size[::-1], F.interpolation('nearest')))

    def pack(self, array: np.ndarray) -> PixelData:
        """(1, H, W) int64."""
        ids = np.ascontiguousarray(array, dtype=np.int64)
        return PixelData(data=torch.from_numpy(ids)[None])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(classes={self.classes})'
