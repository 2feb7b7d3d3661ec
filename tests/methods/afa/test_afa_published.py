# Licensed under Apache-2.0.
"""The numbers of AFA's full-size configs are those of the release."""

from __future__ import annotations

import pytest

from tests.helpers.published import COCO, SINGLE_STAGE, VOC, check_numbers

AFA = SINGLE_STAGE | {
    'randomness.seed': 1,
    'optim_wrapper.optimizer.weight_decay': 0.01,
    'param_scheduler.0.type': 'PolyWarmupLR',
    'param_scheduler.0.warmup_ratio': 1e-6,
    'param_scheduler.0.power': 1.0,
    'model.backbone.embed_dims': (64, 128, 320, 512),
    'model.backbone.num_layers': (2, 2, 2, 2),
    'model.backbone.num_heads': (1, 2, 5, 8),
    'model.backbone.strides': (4, 2, 2, 1),
    'model.backbone.sr_ratios': (8, 4, 2, 1),
    'model.backbone.attention_blocks': 2,
    'model.backbone.freeze_norm': True,
    'model.affinity_head.num_maps': 16,
    'model.affinity_radius': 8,
    'model.decode_head.channels': 256,
    'model.decode_head.dropout_ratio': 0.1,
    'model.labeler.low_thr': 0.35,
    'model.labeler.high_thr': 0.55,
    'model.test_cfg.pseudo.source': 'propagated',
    'model.train_cfg.stochastic_cams': True,
    'model.train_cfg.norm_from_cams': True,
    'val_evaluator.bkg_thr': 0.45,
    'train_dataloader.dataset.pipeline.1': dict(
        type='PILRandomScale', scale_range=(0.5, 2.0)
    ),
    'train_dataloader.dataset.pipeline.2': dict(type='PILRandomFlip', prob=0.5),
    'train_dataloader.dataset.pipeline.3': dict(type='PILPadCrop', crop_size=512),
    'train_dataloader.dataset.pipeline.4': dict(type='PackWeakInputs'),
    'tta_cfg.input.long_side': 512,
    'tta_cfg.seg.scales': (1.0, 0.5, 0.75),
    'tta_cfg.seg.mirror': True,
    'tta_cfg.seg.pair': 'mean',
    'tta_cfg.seg.fuse': 'max',
    'tta_cfg.seg.fuse_at': 'logits',
}
AFA_VOC = (
    AFA
    | VOC
    | {
        'auto_scale_lr.base_batch_size': 4,
        'model.labeler.refiner.num_iters': 10,
        'model.train_cfg.weights': dict(
            cls=1.0,
            aff=[(0, 0.0), (2001, 0.1)],
            seg=[(0, 0.0), (2001, 0.1)],
            reg=[(0, 0.0), (2001, 0.01)],
        ),
        'model.train_cfg.seg_source': [(0, 'cam'), (6001, 'propagated')],
        'model.train_cfg.aff_source': 'cam',
    }
)
AFA_COCO = (
    AFA
    | COCO
    | {
        'auto_scale_lr.base_batch_size': 8,
        'model.labeler.refiner.num_iters': 15,
        'model.train_cfg.weights': dict(
            cls=1.0,
            aff=[(0, 0.0), (5001, 0.1)],
            seg=[(0, 0.0), (5001, 0.1)],
            reg=[(0, 0.0), (5001, 0.01)],
        ),
        'model.train_cfg.seg_source': [(0, 'cam'), (15001, 'propagated')],
        'model.train_cfg.aff_source': [(0, 'cam'), (15001, 'propagated')],
    }
)


@pytest.mark.parametrize(
    'name,published',
    [('afa/afa_mit-b1_voc', AFA_VOC), ('afa/afa_mit-b1_coco', AFA_COCO)],
)
def test_single_stage_numbers(name: str, published: dict) -> None:
    cfg = check_numbers(name, published)
    steps = cfg.train_dataloader.dataset.pipeline
    assert len(steps) == 5
