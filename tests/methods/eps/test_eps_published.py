# Licensed under Apache-2.0.
"""The numbers of EPS's full-size configs are those of the release."""

from __future__ import annotations

import pytest

from tests.helpers.published import EPS, check_momentum_slip, check_numbers

JITTER = dict(
    type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1
)
SAL = 'model.losses.sal'
EPS_VOC = EPS | {
    'num_classes': 21,
    'train_cfg.max_iters': 20000,
    'auto_scale_lr.base_batch_size': 8,
    'train_dataloader.batch_size': 4,
    'model.train_cfg.weights': dict(cls=1.0, sal=1.0),
    SAL: dict(type='SaliencyLoss', overlap_thr=0.4, fg_weight=0.5),
    'train_dataloader.dataset.pipeline': [
        dict(type='LoadPicture'),
        dict(type='LoadSideInputs'),
        dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic'),
        dict(type='PILRandomFlip', prob=0.5),
        JITTER,
        dict(type='PILPadCrop', crop_size=448),
        dict(type='PackWeakInputs'),
    ],
}
EPS_COCO = EPS | {
    'num_classes': 81,
    'train_cfg.max_iters': 76950,
    'auto_scale_lr.base_batch_size': 16,
    'train_dataloader.batch_size': 8,
    'model.train_cfg.weights': dict(cls=1.0, sal=1.0),
    SAL: dict(type='SaliencyLoss', overlap_thr=0.4, fg_weight=0.9),
    'train_dataloader.dataset.pipeline': [
        dict(type='LoadPicture'),
        dict(type='LoadSideInputs'),
        dict(type='PILResizeLongSide', side_range=(256, 448), resample='bicubic'),
        dict(type='PILRandomFlip', prob=0.5),
        JITTER,
        dict(type='PILPadCrop', crop_size=321),
        dict(type='PackWeakInputs'),
    ],
}
CLS_VOC = EPS | {
    'num_classes': 21,
    'train_cfg.max_iters': 20000,
    'model.cam_head.relu': True,
    'model.cam_head.dropout_ratio': 0.5,
    'model.train_cfg.weights': dict(cls=1.0),
    'train_dataloader.dataset.pipeline': [
        item
        for item in EPS_VOC['train_dataloader.dataset.pipeline']
        if item['type'] != 'LoadSideInputs'
    ],
}


@pytest.mark.parametrize(
    'name,published',
    [
        ('eps/eps_wr38_voc', EPS_VOC),
        ('eps/eps_wr38_coco', EPS_COCO),
        ('eps/cls_wr38_voc', CLS_VOC),
    ],
)
def test_numbers_of_stages(name: str, published: dict) -> None:
    check_numbers(name, published)


@pytest.mark.parametrize('name,slipped,meant', [('eps/eps_wr38_voc', 5e-4, 0.9)])
def test_momentum_slip(name: str, slipped: float, meant: float) -> None:
    check_momentum_slip(name, slipped, meant)
