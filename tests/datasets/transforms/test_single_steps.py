# Licensed under Apache-2.0.
"""Single steps: the image and what lies beside it move together."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from mmwsss.registry import TRANSFORMS
from tests.helpers.transforms import fields, picture, run, same


@pytest.mark.parametrize(
    'cfg',
    [
        dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
        dict(type='PILResizeLongSide', side_range=(30, 90)),
        dict(type='PILRandomFlip', prob=1.0),
        dict(type='PILPadCrop', crop_size=55),
        dict(type='PILRandomResizedCrop', size=(33, 44)),
    ],
)
def test_geometry_moves_image_and_fields_together(cfg):
    random.seed(3)
    out = run(cfg, **fields())
    shape = out['img'].shape[:2]
    assert out['img_shape'] == shape
    assert out['gt_seg_map'].shape == shape
    assert out['cam'].shape == (2, *shape) and out['saliency'].shape == (1, *shape)
    assert out['gt_seg_map'].dtype == np.uint8
    assert set(np.unique(out['gt_seg_map']).tolist()) <= {0, 1, 2, 255}


def test_flip_and_crop_of_fields_are_exact():
    data = fields()
    out = run(dict(type='PILRandomFlip', prob=1.0), **data, valid_box=(0, 9, 5, 60))
    same(out['cam'], data['cam'][..., ::-1])
    same(out['gt_seg_map'], data['gt_seg_map'][:, ::-1])
    assert out['valid_box'] == (0, 9, 0, 55)
    out = run(dict(type='PILPadCrop', crop_size=70, fill=7), **fields())
    y0, y1, x0, x1 = out['valid_box']
    inside = np.zeros((70, 70), bool)
    inside[y0:y1, x0:x1] = True
    same(out['cam'][:, inside].reshape(2, 50, 60), data['cam'])
    assert (out['gt_seg_map'][~inside] == 255).all()
    assert (out['cam'][:, ~inside] == 0).all()
    assert (out['img'][~inside] == 7).all()


def test_published_box_of_a_late_flip():
    out = run(
        dict(type='PILRandomFlip', prob=1.0, mirror_box=False), valid_box=(0, 9, 5, 60)
    )
    assert out['valid_box'] == (0, 9, 5, 60)


def test_score_maps_are_resized_as_pytorch_does():
    """In double precision, stored as they were."""
    data = fields()
    out = run(dict(type='PILRandomScale', scale_range=(0.5, 0.5)), **fields())
    expected = (
        torch.nn.functional.interpolate(
            torch.from_numpy(data['cam'])[None].double(),
            (25, 30),
            mode='bilinear',
            align_corners=True,
        )[0]
        .float()
        .numpy()
    )
    same(out['cam'], expected)
    assert out['cam'].dtype == data['cam'].dtype


@pytest.mark.parametrize(
    'cfg',
    [
        dict(
            type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1
        ),
        dict(type='PILRandomGrey', prob=1.0),
        dict(type='PILRandomBlur', prob=1.0),
        dict(type='PILRandomSolarise', prob=1.0),
    ],
)
def test_colour_steps(cfg):
    img = picture()
    before = img.copy()
    out = run(cfg, img)
    assert out['img'].shape == img.shape
    assert np.any(out['img'] != img)
    same(img, before)  # nothing is written in place
    if cfg['type'] != 'PILColorJitter':
        same(run({**cfg, 'prob': 0.0}, img)['img'], img)


def test_hue_range_is_checked():
    with pytest.raises(ValueError, match='hue'):
        TRANSFORMS.build(dict(type='PILColorJitter', hue=0.6))
