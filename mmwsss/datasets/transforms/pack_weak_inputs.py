# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmwsss.registry import TRANSFORMS

META_KEYS = (
    'img_path',
    'img_id',
    'seg_map_path',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'reduce_zero_label',
    'gt_labels',
    'num_foreground',
    'sample_idx',
)


def to_chw(img: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 array to a contiguous (3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


def multi_hot(labels: Sequence[int], num_foreground: int) -> torch.Tensor:
    """(C,) float32 with ones at the given foreground channels."""
    score = torch.zeros(num_foreground)
    score[list(labels)] = 1
    return score


def saliency_values(saliency: np.ndarray) -> torch.Tensor:
    """(H, W) or (H, W, 3) uint8 map to (1, H, W) float32 in [0, 1], channels' mean."""
    values = torch.from_numpy(np.ascontiguousarray(saliency)).float() / 255
    return (values.mean(-1) if values.dim() == 3 else values)[None]


@TRANSFORMS.register_module()
class PackWeakInputs(BaseTransform):
    """Pack views and image labels for the model.

    Required keys: ``views`` or ``img``; ``gt_labels`` with ``num_foreground``,
    ``valid_box``, ``gt_seg_map``, ``fused`` and ``saliency`` where known.

    Gives ``inputs``: (3, H, W) uint8 or a dict of such; and ``data_samples``:
    a ``SegDataSample`` with ``gt_score`` (C,) float32 multi-hot, ``valid_box``
    (4,) int64 (y0, y1, x0, x1), ``gt_sem_seg`` (1, H, W) int64, ``fused`` (K, H, W)
    and ``saliency`` (1, H, W) float32 in [0, 1]. Image labels stay on the CPU too, as
    the tuple ``gt_labels`` of the meta information.

    Args:
        meta_keys: what goes to the meta information, where present.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack one item."""
        if 'views' in results:
            inputs = {name: to_chw(view) for name, view in results['views'].items()}
        else:
            inputs = to_chw(results['img'])
        sample = SegDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results}
        )
        if 'gt_labels' in results:  # a photo to be predicted has none
            sample.gt_score = multi_hot(results['gt_labels'], results['num_foreground'])
        if results.get('valid_box') is not None:
            sample.valid_box = torch.tensor(results['valid_box'])
        if 'gt_seg_map' in results:
            mask = np.ascontiguousarray(results['gt_seg_map'], dtype=np.int64)
            sample.gt_sem_seg = PixelData(data=torch.from_numpy(mask)[None])
        if 'fused' in results:
            sample.fused = PixelData(data=torch.from_numpy(results['fused']))
        if 'saliency' in results:
            sample.saliency = PixelData(data=saliency_values(results['saliency']))
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
