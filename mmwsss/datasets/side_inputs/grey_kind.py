# Licensed under Apache-2.0.
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mmwsss.datasets.transforms import functional as F
from mmwsss.io.data_errors import SideInputError
from mmwsss.io.image_files import picture_size
from mmwsss.registry import SIDE_INPUT_KINDS

from .side_input_kind import SideInputKind


def decode_grey(content: bytes, path: str) -> np.ndarray:
    """A grey picture (H, W) or, from a file of colours, (H, W, 3), uint8.

    The three channels that a grey file has as RGB are equal: one is kept.

    Raises:
        SideInputError: if the file is no image, or one of more than 8 bits, which would
            be cut off.
    """
    try:
        with Image.open(io.BytesIO(content)) as img:
            _check_depth(img, path)
            grey = img.mode in ('L', '1')
            return np.asarray(img.convert('L' if grey else 'RGB'))
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise _unreadable(path, err) from err


def grey_size(path: str) -> tuple[int, int]:
    """(H, W) of a grey picture, from its header alone.

    Raises:
        SideInputError: as :func:`decode_grey`.
    """
    try:
        with Image.open(path) as img:
            _check_depth(img, path)
            return img.size[::-1]
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise _unreadable(path, err) from err


def _unreadable(path: str, err: Exception) -> SideInputError:
    return SideInputError(
        path, f'cannot be read as a picture ({err})', 'write it again'
    )


def _check_depth(img: Image.Image, path: str) -> None:
    if img.mode.startswith(('I', 'F')):
        raise SideInputError(
            path,
            f'has pixels of the kind {img.mode!r}, not of 8 bits',
            'write it as a grey PNG of 8 bits, 255 = certainly salient',
        )


def grey_values(array: np.ndarray) -> Tensor:
    """(H, W) or (H, W, 3) uint8 map to (1, H, W) float32 in [0, 1], channels' mean."""
    values = torch.from_numpy(np.array(array)).float() / 255  # PIL's are read-only
    return (values.mean(-1) if values.dim() == 3 else values)[None]


@SIDE_INPUT_KINDS.register_module(name='grey')
class GreyKind(SideInputKind):
    """Pictures of 8 bits, 255 = certain: saliency maps.

    They go with the picture, by its own filter, and are 0 outside. Packed: (1, H, W)
    float32 in [0, 1]; of files of colours the mean of the channels.
    """

    def check(self, path: str, info: Mapping[str, Any]) -> None:
        """Check size and number of bits."""
        wanted = picture_size(info['img_path'], info.get('picture'))
        self.check_size(path, grey_size(path), info, wanted)

    def check_all(self, paths: Sequence[str]) -> None:
        """Refuse maps of 0 and 1, which would pass for pictures of nothing."""
        highest = [
            (decode_grey(Path(path).read_bytes(), path).max(), path) for path in paths
        ]
        top, path = max(highest, default=(0, ''))
        if top == 1:
            raise SideInputError(
                path,
                'holds no value above 1, as the other maps looked at',
                'write salient pixels as 255, not as 1',
            )

    def load(
        self,
        path: str | None,
        results: Mapping[str, Any],
        backend_args: dict | None = None,
    ) -> np.ndarray:
        """(H, W) or (H, W, 3) uint8."""
        assert path is not None  # has_file: every image has one
        array = decode_grey(self.read(path, backend_args), path)
        if 'ori_shape' in results:
            self.check_size(path, array.shape[:2], results, results['ori_shape'])
        return array

    def resize(
        self,
        array: np.ndarray,
        size: tuple[int, int],
        resample: str,
        align_corners: bool,
    ) -> np.ndarray:
        """Resize with the picture's filter, 8 bits."""
        picture = Image.fromarray(array)
        return np.asarray(picture.resize(size[::-1], F.interpolation(resample)))

    def pack(self, array: np.ndarray) -> PixelData:
        """(1, H, W) float32 in [0, 1]."""
        return PixelData(data=grey_values(array))
