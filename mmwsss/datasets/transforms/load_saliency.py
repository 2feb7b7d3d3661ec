# Licensed under Apache-2.0.
from __future__ import annotations

import io

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from mmwsss.registry import TRANSFORMS

from ..errors import SaliencyError

SIZE_FIX = 'make the saliency map from this very image, at its size'


def decode_saliency(content: bytes, path: str) -> np.ndarray:
    """A saliency map (H, W) or, from a file of colours, (H, W, 3), uint8.

    The three channels that a grey file has as RGB are equal: one is kept.

    Raises:
        SaliencyError: if the file is no image.
    """
    try:
        with Image.open(io.BytesIO(content)) as img:
            grey = img.mode in ('L', '1')
            return np.asarray(img.convert('L' if grey else 'RGB'))
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise SaliencyError(
            path, f'cannot be read as a picture ({err})', 'write it again') from err


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
                results.get('img_path', '?'), 'has no saliency map in this data set',
                'set sal_dir of the data set to the folder of the maps')
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as err:
            raise SaliencyError(path, f'is missing ({err.strerror or err})',
                                'check sal_dir') from err
        saliency = decode_saliency(content, path)
        if 'ori_shape' in results and saliency.shape[:2] != tuple(results['ori_shape']):
            height, width = results['ori_shape']
            raise SaliencyError(
                path, f'is {saliency.shape[0]}x{saliency.shape[1]} but its image '
                f'{results["img_path"]} is {height}x{width} (height x width)', SIZE_FIX)
        results['saliency'] = saliency
        results['picture_fields'] = [*results.get('picture_fields', ()), 'saliency']
        return results
