# Licensed under Apache-2.0.
"""What a packed item holds: image, labels, box and mask."""

from __future__ import annotations

import math

import numpy as np

from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from tests.helpers.transforms import picture, same


def test_pack():
    results = dict(
        img=picture(),
        gt_labels=(0, 3),
        num_foreground=5,
        img_path='p',
        img_id='i',
        valid_box=(0, 4, 1, 7),
        gt_seg_map=np.full((50, 60), 255, np.uint8),
        ori_shape=(50, 60),
    )
    packed = PackWeakInputs().transform(results)
    sample = packed['data_samples']
    same(packed['inputs'].permute(1, 2, 0), results['img'])
    assert packed['inputs'].is_contiguous()
    assert sample.gt_score.tolist() == [1, 0, 0, 1, 0]
    assert sample.valid_box.tolist() == [0, 4, 1, 7]
    assert sample.gt_sem_seg.data.unique().tolist() == [255]
    assert sample.metainfo['gt_labels'] == (0, 3)
    assert math.isclose(sample.gt_score.sum(), 2)
    assert (
        'valid_box'
        not in PackWeakInputs().transform(
            dict(img=picture(), gt_labels=(), num_foreground=5)
        )['data_samples']
    )
