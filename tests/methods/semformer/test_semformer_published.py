# Licensed under Apache-2.0.
"""The numbers of SemFormer's full-size configs are those of the release."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from tests.helpers import ROOT
from tests.helpers.published import (
    check_momentum_slip,
    check_numbers,
    check_real_momentum,
    effective_sgd,
    plain,
)

JITTER = dict(
    type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1
)
COMMON = {
    'num_classes': 21,
    'train_dataloader.dataset.split': 'train_aug',
    'train_dataloader.dataset.pipeline.1': JITTER,
    'optim_wrapper.paramwise_cfg.lr_mults': (1, 2, 10, 20),
    'optim_wrapper.paramwise_cfg.other_decay_mult': 0.0,
    'param_scheduler': [
        dict(type='PolyWarmupLR', warmup_iters=0, power=0.9, by_epoch=False)
    ],
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
}
ENCODER = dict(
    type='WSSSViT',
    arch='deit-base',
    img_size=224,
    patch_size=16,
    with_cls_token=False,
    out_indices=(11,),
)
SEMANTICS = dict(type='ClassSemantics', channels=256, reduction='sum')
CAAE = COMMON | {
    'train_dataloader.batch_size': 32,  # on two GPUs
    'train_dataloader.dataset.pipeline.2': dict(
        type='PILRandomScale', scale_range=(1.0, 3.0), resample='bilinear'
    ),
    'train_dataloader.dataset.pipeline.3': dict(  # area 0.08 to 1, aspect 3/4 to 4/3
        type='PILRandomResizedCrop', size=224, resample='bilinear'
    ),
    'train_dataloader.dataset.pipeline.4': dict(type='PILRandomFlip'),
    'val_dataloader.dataset.split': 'train',
    'auto_scale_lr.base_batch_size': 64,
    'optim_wrapper.optimizer.lr': 0.025,
    'optim_wrapper.paramwise_cfg.new': (),
    'train_cfg.max_iters': 33000,
    'model.semantics': SEMANTICS,
    'model.decoder': dict(
        type='ReconstructionDecoder',
        embed_channels=768,
        channels=768,
        num_layers=8,
        num_heads=12,
        patch_size=16,
    ),
    'model.losses.sim.gate': True,
    'model.train_cfg.weights': dict(sim=1.0, recon=1.0),
}
SEGMENTOR = COMMON | {
    'train_dataloader.batch_size': 8,
    'train_dataloader.dataset.pipeline.2': dict(
        type='PILResizeLongSide', side_range=(224, 896), resample='bicubic'
    ),
    'train_dataloader.dataset.pipeline.3': dict(type='PILRandomFlip'),
    'train_dataloader.dataset.pipeline.4': dict(type='PILPadCrop', crop_size=448),
    'test_dataloader.dataset.split': 'train',
    'test_dataloader.dataset.pipeline.2': dict(
        type='PILMultiScale', scales=(0.5, 1.0, 1.5, 2.0), rounding=16
    ),
    'auto_scale_lr.base_batch_size': 8,
    'optim_wrapper.optimizer.lr': 0.005,
    'optim_wrapper.paramwise_cfg.new': ('backbone.class_tokens', 'backbone.class_pos'),
    'train_cfg.max_iters': 26440,
    'model.data_preprocessor.zero_padding': ('img',),
    'model.backbone.arch': 'deit-small',
    'model.backbone.img_size': 448,
    'model.backbone.attention_blocks': 4,
    'model.cam_head.token_dropout': 0.5,
    'model.token_head.channels': 256,
    'model.caae.backbone': ENCODER,
    'model.caae.semantics': SEMANTICS,
    'model.train_cfg.weights': dict(cf=1.0, cb=1.0, sup=0.075, comp=1.0, ss=1.0),
    'model.train_cfg.caae_size': (224, 224),
    'model.losses.cf.form': 'released',
    'model.losses.cb.form': 'released',
    'model.losses.sup.form': 'released',
    'model.losses.comp.form': 'released',
    'model.test_cfg': dict(
        outputs=('cam',),
        cam_filter='gt',
        cam=dict(
            scales=(0.5, 1.0, 1.5, 2.0),
            pair='sum',
            normalise='max',
            fuse_at='label',
            multiple=16,
        ),
    ),
    'val_evaluator.average': 'fixed',
}
#: on SemFormer's pseudo masks
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
        dict(type='LoadPicture'),
        dict(type='LoadSideInputs'),
        dict(type='HSVShift', limit=10),
        dict(type='PILRandomFlip', prob=0.5),
        dict(type='PILRandomScale', scale_range=(0.5, 1.5), resample='bicubic'),
        dict(type='PILPadCrop', crop_size=448),
        dict(type='PackWeakInputs'),
    ],
}


@pytest.mark.parametrize(
    'name,published',
    [('caae_deit-b-dist_voc', CAAE), ('semformer_deit-s_voc', SEGMENTOR)],
)
def test_numbers(name: str, published: dict) -> None:
    cfg = check_numbers(f'semformer/{name}', published)
    assert effective_sgd(cfg) == dict(momentum=5e-4, weight_decay=5e-4, nesterov=True)
    steps = [s.type for s in cfg.train_dataloader.dataset.pipeline]
    assert (
        len(steps) == 6
        and steps[0] == 'LoadPicture'
        and steps[-1] == ('PackWeakInputs')
    )


def test_both_stages_have_the_same_encoder() -> None:
    one, two = (
        Config.fromfile(ROOT / 'configs' / 'semformer' / f'{n}.py').model
        for n in ('caae_deit-b-dist_voc', 'semformer_deit-s_voc')
    )
    encoder = {k: v for k, v in one.backbone.items() if k != 'pretrained'}
    assert plain(encoder) == plain(two.caae.backbone)
    assert plain(one.semantics) == plain(two.caae.semantics)


@pytest.mark.parametrize(
    'name,published',
    [('semformer/deeplabv1_wr38_voc-pseudo', DEEPLAB_V1)],
)
def test_numbers_of_stages(name: str, published: dict) -> None:
    check_numbers(name, published)


@pytest.mark.parametrize(
    'name,slipped,meant',
    [
        ('semformer/semformer_deit-s_voc', 5e-4, 0.9),
        ('semformer/caae_deit-b-dist_voc', 5e-4, 0.9),
    ],
)
def test_momentum_slip(name: str, slipped: float, meant: float) -> None:
    check_momentum_slip(name, slipped, meant)


@pytest.mark.parametrize(
    'name', ['semformer/semformer_deit-t_shapes', 'semformer/caae_deit-t_shapes']
)
def test_short_trainings_have_a_real_momentum(name: str) -> None:
    check_real_momentum(name)
