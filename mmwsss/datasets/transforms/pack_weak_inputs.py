# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmseg.structures import SegDataSample

from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.datasets.side_inputs.side_input_kind import SideInputKind
from mmwsss.io.data_errors import SideInputError
from mmwsss.registry import TRANSFORMS

from .fields import MASK_KEY, loaded_side_inputs

META_KEYS = (
    'img_path',
    'picture',
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
    'labels_known',
    'num_foreground',
    'sample_idx',
)


def to_chw(img: np.ndarray) -> torch.Tensor:
    """(H, W, N) uint8 array to a contiguous (N, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))


def multi_hot(labels: Sequence[int], num_foreground: int) -> torch.Tensor:
    """(C,) float32 with ones at the given foreground channels."""
    score = torch.zeros(num_foreground)
    score[list(labels)] = 1
    return score


def check_followed(
    name: str, kind: SideInputKind, shape: tuple[int, int], results: dict
) -> None:
    """Whether a side input went where its image went.

    Raises:
        SideInputError: if a transform that knows nothing of it moved the image.
    """
    moved = results.get('flip') and not kind.label_map  # mmcv's and mmseg's flips
    if moved or shape != tuple(results.get('img_shape', shape)):
        raise SideInputError(
            results.get('img_path', '?'),
            f'was resized, cropped or mirrored, its side input {name!r}, now {shape}, '
            'not with it',
            'use the PIL... transforms of mmwsss for the geometry',
        )


@TRANSFORMS.register_module()
class PackWeakInputs(BaseTransform):
    """Pack views and image labels for the model.

    Required keys: ``views`` or ``img``; ``gt_labels`` with ``num_foreground``,
    ``valid_box``, ``gt_seg_map`` and loaded side inputs where known.

    Gives ``inputs``: (N, H, W) uint8, or a dict of such; and ``data_samples``: a
    ``SegDataSample`` with ``gt_score`` (C,) float32 multi-hot, ``valid_box``
    (4,) int64 (y0, y1, x0, x1), ``gt_sem_seg`` (1, H, W) int64 and each side input
    under its name, as its kind packs it: ``saliency`` (1, H, W) float32 in [0, 1],
    ``fused`` (K, H, W) float32. Image labels stay on the CPU too, as the tuple
    ``gt_labels`` of the meta information.

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
        if MASK_KEY in results:
            sample.gt_sem_seg = IdsKind(classes=True).pack(results[MASK_KEY])
        for name, kind in loaded_side_inputs(results).items():
            packed = kind.pack(results[name])
            check_followed(name, kind, tuple(packed.shape), results)
            setattr(sample, name, packed)
        return dict(inputs=inputs, data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
