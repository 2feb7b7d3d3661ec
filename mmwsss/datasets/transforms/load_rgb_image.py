# Licensed under Apache-2.0.
from __future__ import annotations

import io
import os

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image
from torch import Tensor

from mmwsss.io.data_errors import UnreadableImageError
from mmwsss.registry import TRANSFORMS


def decode_rgb(content: bytes) -> np.ndarray:
    """Decode an image file into (H, W, 3) uint8 RGB.

    Grey images are replicated to three channels, transparency is dropped and
    the EXIF orientation is ignored, as the published pipelines do (masks are
    drawn in the orientation of the stored pixels).
    """
    with Image.open(io.BytesIO(content)) as img:
        return np.asarray(img.convert('RGB'))


def read_rgb(path: str | os.PathLike, backend_args: dict | None = None) -> np.ndarray:
    """Read an image file as :func:`decode_rgb` decodes it.

    Args:
        path: of the image.
        backend_args: arguments of mmengine's file client, None for local files.

    Raises:
        UnreadableImageError: if the file is missing or is no whole image.
    """
    try:
        return decode_rgb(fileio.get(path, backend_args=backend_args))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise UnreadableImageError(str(path), err) from err


def read_pixels(path: str, device: str = 'cpu') -> Tensor:
    """A picture as refiners take it: (1, 3, H, W) RGB grey levels 0..255, float32."""
    pixels = torch.from_numpy(read_rgb(path).copy()).permute(2, 0, 1)
    return pixels[None].to(device).float()


@TRANSFORMS.register_module()
class LoadRGBImage(BaseTransform):
    """Read ``img_path`` with PIL as RGB.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, 3) uint8,
    ``ori_shape`` and ``img_shape`` as (height, width).

    Args:
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read the image.

        Raises:
            UnreadableImageError: if the file is missing or is no whole image.
        """
        img = results['img'] = read_rgb(results['img_path'], self.backend_args)
        results['ori_shape'] = results['img_shape'] = img.shape[:2]
        return results
