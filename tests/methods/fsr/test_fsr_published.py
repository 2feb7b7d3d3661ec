# Licensed under Apache-2.0.
"""The numbers of FSR's full-size configs are those that were published."""

from __future__ import annotations

import pytest

from tests.helpers.published import COCO, SINGLE_STAGE, VOC, check_numbers

VIEW = 'train_dataloader.dataset.pipeline.1.views.view2'  # that of view 1 is the same
FSR = SINGLE_STAGE | {
    'randomness.seed': 0,
    'auto_scale_lr.base_batch_size': 8,
    'optim_wrapper.optimizer.weight_decay': 0.05,
    'param_scheduler.0.type': 'CosineWarmupLR',
    'param_scheduler.0.warmup_ratio': 0.1,
    'model.labeler.refiner.num_iters': 10,
    'model.backbone.img_size': 448,
    'model.backbone.patch_size': 16,
    'model.backbone.out_indices': (9, 11),
    'model.backbone.aggregation': dict(
        depth=2, key_mask='none', layer_scale=None, attn_scale='head'
    ),
    'model.cam_head.relu': True,
    'model.aux_cam_head.relu': True,
    'model.decode_head.channels': 512,
    'model.decode_head.dilation': 5,
    'model.decode_head.init_cfg': dict(type='Kaiming', layer='Conv2d'),
    'model.proj_head.hidden_channels': 2048,
    'model.proj_head.bottleneck_channels': 256,
    'model.proj_head.out_channels': 4096,
    'model.losses.unc': dict(
        type='SelfDistillation',
        channels=4096,
        student_temp=0.1,
        center_momentum=0.9,
        reduction='mean',
    ),
    'model.losses.cer': dict(
        type='SelfDistillation', channels=4096, student_temp=0.1, center_momentum=0.9
    ),
    'model.labeler.low_thr': 0.25,
    'model.train_cfg.mask.block_size': 64,
    'model.train_cfg.mask.ratio': 0.4,
    'model.train_cfg.mask.rounding': 'ceil',
    'model.train_cfg.mask.low_thr': 0.2,
    'model.train_cfg.mask.high_thr': 0.7,
    'model.train_cfg.mask.reduce': 'nearest',
    'model.train_cfg.mask.source': 'aux_cam',
    'model.train_cfg.mask.view': 'view2',
    'model.train_cfg.mask.scales': (1.0, 0.5, 1.5),
    'model.train_cfg.mask.grid': 'pixels',
    'model.train_cfg.teacher_temp.start': 0.04,
    'model.train_cfg.teacher_temp.end': 0.07,
    'model.train_cfg.ema_momentum.start': 0.9995,
    'model.train_cfg.ema_momentum.end': 1.0,
    'model.train_cfg.cam_mode': 'train',
    'model.train_cfg.teacher_mode': 'train',
    'model.train_cfg.local_views': (),
    'model.test_cfg.input.squash': (448, 448),
    f'{VIEW}.0': dict(
        type='PILRandomResizedCrop', size=448, area=(0.32, 1.0), resample='bicubic'
    ),
    f'{VIEW}.1': dict(type='PILRandomFlip'),
    f'{VIEW}.2': dict(
        type='PILColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.2,
        hue=0.1,
        prob=0.5,
    ),
    'tta_cfg.input.squash': None,
    'tta_cfg.seg.scales': (1.0, 1.25, 1.5),
    'tta_cfg.seg.mirror': True,
    'tta_cfg.seg.pair': 'sum',
    'tta_cfg.seg.fuse': 'max',
}
FSR_VOC = (
    FSR
    | VOC
    | {
        'model.train_cfg.weights': dict(
            cls=1.0,
            cls_aux=1.0,
            ptc=0.2,
            unc=0.1,
            cer=0.1,
            seg=[(0, 0.0), (2000, 0.1)],
            reg=[(0, 0.0), (2000, 0.05)],
        ),
        'model.labeler.high_thr': 0.7,
        'model.train_cfg.mask.strategy': [(0, 'random'), (4000, 'uncertain')],
        'model.train_cfg.teacher_temp.iters': 2500,
        'model.train_cfg.ema_momentum.iters': 20000,
        'val_evaluator': dict(type='WSSSMetric'),  # bkg_thr 0.5
    }
)
FSR_COCO = (
    FSR
    | COCO
    | {
        'model.train_cfg.weights': dict(
            cls=1.0,
            cls_aux=1.0,
            unc=0.1,
            cer=0.1,
            ptc=[(0, 0.0), (12000, 0.2)],
            seg=[(0, 0.0), (8000, 0.1)],
            reg=[(0, 0.0), (8000, 0.05)],
        ),
        'model.labeler.high_thr': 0.65,
        'model.train_cfg.mask.strategy': [(0, 'random'), (16000, 'uncertain')],
        'model.train_cfg.teacher_temp.iters': 10000,
        'model.train_cfg.ema_momentum.iters': 80000,
        'val_evaluator.bkg_thr': 0.45,
    }
)


@pytest.mark.parametrize(
    'name,published',
    [('fsr/fsr_vit-b_voc', FSR_VOC), ('fsr/fsr_vit-b_coco', FSR_COCO)],
)
def test_single_stage_numbers(name: str, published: dict) -> None:
    cfg = check_numbers(name, published)
    steps = cfg.train_dataloader.dataset.pipeline
    views = steps[1].views
    assert [s.type for s in steps] == ['LoadPicture', 'MultiView', 'PackWeakInputs']
    assert views.view1 == views.view2 and len(views.view1) == 3 and len(views) == 2
