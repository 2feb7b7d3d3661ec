# Licensed under Apache-2.0.
"""The numbers of CLIP-ES's full-size configs are those of the release."""

from __future__ import annotations

import pytest

from tests.helpers.published import check_numbers

CLIP_ES = {
    'model.backbone.arch': 'base',
    'model.backbone.img_size': 224,
    'model.backbone.patch_size': 16,
    'model.affinity.last': 8,
    'model.affinity.rounds': 3,
    'model.affinity.squarings': 1,
    'model.test_cfg.cam_filter': 'gt',
    'model.test_cfg.cam.scales': (1.0,),
    'model.test_cfg.cam.mirror': False,
    'labeler.conf_thr': 0.95,
    'labeler.refiner': dict(
        type='DenseCRF', preset='deeplab', picture='wrapped', unary='half'
    ),
    'test_dataloader.dataset.pipeline.2': dict(
        type='PILMultiScale', scales=(1.0,), rounding=16
    ),
}
VOC = CLIP_ES | {
    'num_classes': 21,
    'model.texts.num_background': 25,
    'model.affinity.threshold': 0.4,
    'test_dataloader.dataset.split': 'train',
    'train_dataloader.dataset.split': 'train_aug',
}
COCO = CLIP_ES | {
    'num_classes': 81,
    'model.texts.num_background': 23,
    'model.affinity.threshold': 0.7,
    'test_dataloader.dataset.split': 'train',
}
DEEPLAB = {
    'optim_wrapper.optimizer.lr': 2e-4,
    'optim_wrapper.optimizer.weight_decay': 5e-4,
    'train_dataloader.batch_size': 5,
    'param_scheduler.0.hold': 10,
    'model.train_cfg.label_resize': 'nearest-exact',
    'model.train_cfg.scales': (1.0, 0.5, 0.75),
    'model.decode_head.loss_decode.type': 'ConfidenceGuidedLoss',
}


@pytest.mark.parametrize(
    'name,published',
    [
        ('clip_es/clip-es_vit-b_voc', VOC),
        ('clip_es/clip-es_vit-b_coco', COCO),
        (
            'clip_es/deeplabv2_r101_voc-clip-es',
            DEEPLAB | {'num_classes': 21, 'train_cfg.max_iters': 20000},
        ),
        ('clip_es/deeplabv2_r101_coco-clip-es', DEEPLAB | {'num_classes': 81}),
    ],
)
def test_numbers(name: str, published: dict) -> None:
    check_numbers(name, published)
