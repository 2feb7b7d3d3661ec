# Licensed under Apache-2.0.
from __future__ import annotations

import io

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image

from mmwsss.registry import TRANSFORMS

from ..errors import UnreadableImageError


def decode_rgb(content: bytes) -> np.ndarray:
    """Decode an image file into (H, W, 3) uint8 RGB.

    Grey images are replicated to three channels, transparency is dropped and
    the EXIF orientation is ignored, as the published pipelines do (masks are
    drawn in the orientation of the stored pixels).
    """
    with Image.open(io.BytesIO(content)) as img:
        return np.asarray(img.convert('RGB'))


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
        path = results['img_path']
        try:
            img = decode_rgb(fileio.get(path, backend_args=self.backend_args))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
            raise UnreadableImageError(path, err) from err
        results['img'] = img
        results['ori_shape'] = results['img_shape'] = img.shape[:2]
        return results
