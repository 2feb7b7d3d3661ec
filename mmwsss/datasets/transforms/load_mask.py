# Licensed under Apache-2.0.
from __future__ import annotations

import io

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from mmwsss.io.data_errors import MaskError
from mmwsss.registry import TRANSFORMS


def decode_mask(content: bytes, path: str) -> np.ndarray:
    """Decode a PNG of class ids; palettes are not applied.

    Returns:
        (H, W) in the file's own type: bool, uint8, uint16 or int32.

    Raises:
        MaskError: if the file is no image, or one of colours.
    """
    try:
        with Image.open(io.BytesIO(content)) as img:
            if img.mode not in ('P', 'L', '1', 'I', 'I;16'):
                raise MaskError(
                    path,
                    f'holds colours (mode {img.mode}), not class ids',
                    'save the ids as an 8-bit PNG, one value a pixel',
                )
            return np.asarray(img)
    except (UnidentifiedImageError, OSError, SyntaxError) as err:
        raise MaskError(path, f'cannot be read ({err})', 'write it again') from err


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


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Read ``seg_map_path`` as class ids: 0 background, 1..C, 255 ignore.

    Required keys: ``seg_map_path``, ``num_foreground``; ``ori_shape`` and
    ``label_map`` where present. Added keys: ``gt_seg_map`` (H, W) uint8;
    its name is added to ``seg_fields``.

    Args:
        ignore_index: the id of pixels that do not count.
        backend_args: arguments of mmengine's file client, None for local files.
    """

    def __init__(
        self, ignore_index: int = 255, backend_args: dict | None = None
    ) -> None:
        self.ignore_index = ignore_index
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read and check the mask.

        Raises:
            MaskError: if it is missing, unreadable, of another size than the
                image, or holds ids out of range.
        """
        path = results.get('seg_map_path')
        if path is None:
            raise MaskError(
                results.get('img_path', '?'),
                'has no mask in this data set',
                'take LoadMask out of the pipeline, or set with_masks=True (never '
                'in weakly supervised training)',
            )
        mask = self._read(path)
        if 'ori_shape' in results and mask.shape != tuple(results['ori_shape']):
            raise MaskError(
                path,
                f'is {mask.shape[0]}x{mask.shape[1]} but its image '
                f'{results["img_path"]} is {results["ori_shape"][0]}x'
                f'{results["ori_shape"][1]} (height x width)',
                'use the mask that belongs to the image, at its full size',
            )
        results['gt_seg_map'] = self._relabel(mask, path, results)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def _read(self, path: str) -> np.ndarray:
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as err:
            raise MaskError(
                path,
                f'is missing ({err.strerror or err})',
                'check data_prefix.seg_map_path',
            ) from err
        return decode_mask(content, path)

    def _relabel(self, mask: np.ndarray, path: str, results: dict) -> np.ndarray:
        """Check the ids; map them where the user chose some of the classes."""
        label_map = results.get('label_map')
        if label_map is None:
            check_mask(mask, path, results['num_foreground'] + 1, self.ignore_index)
            return mask.astype(np.uint8, copy=False)
        check_mask(mask, path, len(label_map), self.ignore_index)
        table = np.full(256, self.ignore_index, dtype=np.uint8)
        for old, new in label_map.items():
            table[old] = new
        return table[mask.astype(np.uint8, copy=False)]
