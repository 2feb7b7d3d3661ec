# Licensed under Apache-2.0.
from __future__ import annotations

import io

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from mmwsss.io.data_errors import SaliencyError
from mmwsss.registry import TRANSFORMS


def decode_saliency(content: bytes, path: str) -> np.ndarray:
    """A saliency map (H, W) or, from a file of colours, (H, W, 3), uint8.

    The three channels that a grey file has as RGB are equal: one is kept.

    Raises:
        SaliencyError: if the file is no image, or one of more than 8 bits, which would
            be cut off.
    """
    try:
        with Image.open(io.BytesIO(content)) as img:
            _check_depth(img, path)
            grey = img.mode in ('L', '1')
            return np.asarray(img.convert('L' if grey else 'RGB'))
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise SaliencyError(
            path, f'cannot be read as a picture ({err})', 'write it again'
        ) from err


def saliency_size(path: str) -> tuple[int, int]:
    """(H, W) of a saliency map, from its header alone.

    Raises:
        SaliencyError: as :func:`decode_saliency`.
    """
    try:
        with Image.open(path) as img:
            _check_depth(img, path)
            return img.size[::-1]
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise SaliencyError(
            path, f'cannot be read as a picture ({err})', 'write it again'
        ) from err


def _check_depth(img: Image.Image, path: str) -> None:
    if img.mode.startswith(('I', 'F')):
        raise SaliencyError(
            path,
            f'has pixels of the kind {img.mode!r}, not of 8 bits',
            'write it as a grey PNG of 8 bits, 255 = certainly salient',
        )


def check_size(
    path: str, size: tuple[int, int], img_path: str, wanted: tuple[int, int]
) -> None:
    """Compare a map's (H, W) with its image's.

    Raises:
        SaliencyError: if they differ.
    """
    if tuple(size) != tuple(wanted):
        raise SaliencyError(
            path,
            f'is {size[0]}x{size[1]} but its image {img_path} is '
            f'{wanted[0]}x{wanted[1]} (height x width)',
            'make the saliency map from this very image, at its size',
        )


@TRANSFORMS.register_module()
class LoadSaliency(BaseTransform):
    """Read ``sal_path``: an 8-bit map, 255 = certainly salient.

    Required key: ``sal_path``, which a data set with ``sal_dir`` gives; ``ori_shape``
    where present. Added key: ``saliency``, whose name is added to ``picture_fields``:
    the map follows the geometry of the image, with the same filter, and is 0 outside.

    Args:
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read and check the map.

        Raises:
            SaliencyError: if it is missing, unreadable, or of another size than the
                image.
        """
        path = results.get('sal_path')
        if path is None:
            raise SaliencyError(
                results.get('img_path', '?'),
                'has no saliency map in this data set',
                'set sal_dir of the data set to the folder of the maps',
            )
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as err:
            raise SaliencyError(
                path, f'is missing ({err.strerror or err})', 'check sal_dir'
            ) from err
        saliency = decode_saliency(content, path)
        if 'ori_shape' in results:
            check_size(
                path, saliency.shape[:2], results['img_path'], results['ori_shape']
            )
        results['saliency'] = saliency
        results['picture_fields'] = [*results.get('picture_fields', ()), 'saliency']
        return results
