# Licensed under Apache-2.0.
"""The numbers of the full-size configs are those that were published.

Written from the methods' papers and released code, config by config, so that an edit
of a shared base file can't move them unseen. ``a.0.b`` is item 0 of list ``a``.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict

from mmwsss.registry import OPTIMIZERS
from tests.helpers import ROOT

VIEW = 'train_dataloader.dataset.pipeline.1.views.view2'  # that of view 1 is the same

COMMON = {
    'train_dataloader.batch_size': 2,
    'optim_wrapper.optimizer.type': 'AdamW',
    'optim_wrapper.optimizer.lr': 6e-5,
    'optim_wrapper.optimizer.betas': (0.9, 0.999),
    'optim_wrapper.optimizer.eps': 1e-8,
    'param_scheduler.0.warmup_iters': 1500,
    'model.labeler.refiner.dilations': (1, 2, 4, 8, 12, 24),
    'model.losses.reg.scale': 1e-7,
    'model.losses.reg.sigma_rgb': 15,
    'model.losses.reg.sigma_xy': 100,
    'model.losses.reg.scale_factor': 0.5,
    'model.losses.seg.type': 'BalancedCrossEntropy',
    'model.train_cfg.cam.scales': (1.0, 0.5, 1.5),
    'model.test_cfg.cam.scales': (1.0, 0.5, 1.5),
    'model.test_cfg.cam_filter': 'gt',
    'model.test_cfg.seg.scales': (1.0,),
    'model.test_cfg.seg.mirror': False,
    'model.backbone.drop_path_rate': 0.1,
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
}
VOC = {'num_classes': 21, 'train_cfg.max_iters': 20000, 'train_cfg.val_interval': 2000}
COCO = {
    'num_classes': 81,
    'train_cfg.max_iters': 80000,
    'train_cfg.val_interval': 4000,
    'val_dataloader.dataset.indices': 5000,
}

FSR = COMMON | {
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

AFA = COMMON | {
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

EPS = {
    'model.backbone.widths': (64, 128, 256, 512, 1024, 2048, 4096),
    'model.backbone.dropout': (0.3, 0.5),
    'model.backbone.frozen_stages': 1,
    'model.backbone.norm_eval': True,
    'model.backbone.norm_cfg': dict(type='BN', requires_grad=False),
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
    'model.data_preprocessor.zero_padding': ('img',),
    'model.cam_head.pooling': 'avg',
    'model.cam_head.init_cfg': dict(
        type='Xavier', distribution='uniform', layer='Conv2d'
    ),
    'model.test_cfg': dict(
        outputs=('cam',),
        cam_filter='gt',
        cam=dict(
            scales=(0.5, 1.0, 1.5, 2.0), pair='sum', normalise='max', fuse_at='label'
        ),
    ),
    'optim_wrapper.optimizer': dict(
        type='SlipSGD', lr=0.01, momentum=0.9, weight_decay=5e-4, momentum_slip=True
    ),
    'optim_wrapper.paramwise_cfg.custom_keys': dict(cam_head=dict(lr_mult=10.0)),
    'param_scheduler.0.power': 0.9,
    'param_scheduler.0.warmup_iters': 0,
    'val_dataloader.dataset.split': 'train',
    'val_evaluator.bkg_thr': 0.2,
    'test_dataloader.dataset.pipeline.2': dict(
        type='PILMultiScale', scales=(0.5, 1.0, 1.5, 2.0)
    ),
}
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
        dict(type='LoadRGBImage'),
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
        dict(type='LoadRGBImage'),
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
DEEPLAB_V1 = {
    'model.backbone.dropout': (0.3, 0.5),
    'model.backbone.norm_eval': False,
    'model.backbone.norm_cfg': dict(type='BN', momentum=3e-4, requires_grad=False),
    'model.decode_head.channels': 512,
    'model.decode_head.dilation': 12,
    'model.decode_head.dropout_ratio': 0.5,
    'model.test_cfg': dict(
        scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True, fuse='mean'
    ),
    'param_scheduler.0.total_iters': 20001,
    'train_cfg.max_iters': 20000,
    'train_dataloader.batch_size': 5,
    'randomness.seed': 1,
    'train_dataloader.dataset.pipeline': [
        dict(type='LoadRGBImage'),
        dict(type='LoadSideInputs'),
        dict(type='HSVShift', limit=10),
        dict(type='PILRandomFlip', prob=0.5),
        dict(type='PILRandomScale', scale_range=(0.5, 1.5), resample='bicubic'),
        dict(type='PILPadCrop', crop_size=448),
        dict(type='PackWeakInputs'),
    ],
}
DEEPLAB_V2 = {
    'model.backbone.depth': 101,
    'model.decode_head.dilations': (6, 12, 18, 24),
    'model.data_preprocessor.mean': [104.008, 116.669, 122.675],
    'model.data_preprocessor.std': [1.0, 1.0, 1.0],
    'model.train_cfg.scales': (1.0, 0.5, 0.75),
    'model.test_cfg': dict(scales=(1.0, 0.5, 0.75), flip=False, fuse='max'),
    'param_scheduler.0.hold': 10,
    'train_cfg.max_iters': 20000,
    'train_dataloader.batch_size': 5,
    'train_dataloader.dataset.pipeline.2.factors': (0.5, 0.75, 1.0, 1.25, 1.5),
    'train_dataloader.dataset.pipeline.3': dict(
        type='PILPadCrop', crop_size=321, random_pad=False
    ),
}


def plain(value: Any) -> Any:
    """Config values as dicts and lists, tuples as lists."""
    if isinstance(value, ConfigDict):
        value = value.to_dict()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def setting(cfg: Config, path: str) -> Any:
    """The value at a path."""
    for name in path.split('.'):
        cfg = cfg[int(name)] if name.isdigit() else cfg[name]
    return cfg


def effective_sgd(cfg: Config) -> dict[str, Any]:
    """Momentum, decay and kind of the SGD that a config builds, whatever it says."""
    settings = plain(cfg.optim_wrapper.optimizer)
    optimizer = OPTIMIZERS.build(dict(settings, params=[torch.zeros(1)]))
    assert isinstance(optimizer, torch.optim.SGD)
    return {
        key: optimizer.param_groups[0][key]
        for key in ('momentum', 'weight_decay', 'nesterov')
    }


@pytest.mark.parametrize(
    'name,slipped,meant',
    [
        ('eps/eps_wr38_voc', 5e-4, 0.9),
        ('smaf/smaf_eps_wr38_voc', 5e-4, 0.9),
        ('semformer/semformer_deit-s_voc', 5e-4, 0.9),
        ('semformer/caae_deit-b-dist_voc', 5e-4, 0.9),
        ('smaf/smaf_semformer_deit-s_voc', 5e-4, 0.9),
        ('irn/irn_r50_voc', 1e-4, 0.9),
    ],
)
def test_momentum_slip(name: str, slipped: float, meant: float) -> None:
    """One option by one name, in effect."""
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    assert effective_sgd(cfg)['momentum'] == slipped
    cfg.merge_from_dict({'optim_wrapper.optimizer.momentum_slip': False})
    assert effective_sgd(cfg)['momentum'] == meant


@pytest.mark.parametrize(
    'name',
    [
        'semformer/semformer_deit-t_shapes',
        'semformer/caae_deit-t_shapes',
        'smaf/smaf_semformer_deit-t_shapes',
        'irn/irn_r18_shapes',
    ],
)
def test_short_trainings_have_a_real_momentum(name: str) -> None:
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    assert effective_sgd(cfg)['momentum'] == 0.9


@pytest.mark.parametrize(
    'name,published',
    [
        ('fsr/fsr_vit-b_voc', FSR_VOC),
        ('fsr/fsr_vit-b_coco', FSR_COCO),
        ('afa/afa_mit-b1_voc', AFA_VOC),
        ('afa/afa_mit-b1_coco', AFA_COCO),
    ],
)
def test_single_stage_numbers(name: str, published: dict) -> None:
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    assert {path: plain(setting(cfg, path)) for path in published} == plain(published)
    steps = cfg.train_dataloader.dataset.pipeline
    if 'fsr' in name:
        views = steps[1].views
        assert [s.type for s in steps] == [
            'LoadRGBImage',
            'MultiView',
            'PackWeakInputs',
        ]
        assert views.view1 == views.view2 and len(views.view1) == 3 and len(views) == 2
    else:
        assert len(steps) == 5


@pytest.mark.parametrize(
    'name,published',
    [
        ('eps/eps_wr38_voc', EPS_VOC),
        ('eps/eps_wr38_coco', EPS_COCO),
        ('eps/cls_wr38_voc', CLS_VOC),
        ('semformer/deeplabv1_wr38_voc-pseudo', DEEPLAB_V1),
        ('pseudo/deeplabv2_r101_voc-pseudo', DEEPLAB_V2),
    ],
)
def test_numbers_of_stages(name: str, published: dict) -> None:
    cfg = Config.fromfile(ROOT / 'configs' / f'{name}.py')
    assert {path: plain(setting(cfg, path)) for path in published} == plain(published)
