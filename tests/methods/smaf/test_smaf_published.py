# Licensed under Apache-2.0.
"""The numbers of SMAF's full-size configs are those of the release."""

from __future__ import annotations

import pytest

from mmwsss.methods.smaf.self_training_cfg import SelfTrainingCfg
from tests.helpers.published import (
    EPS,
    check_momentum_slip,
    check_numbers,
    check_real_momentum,
)

#: EPS's network and optimizer, on 20,000 iterations of 8 pictures
COMMON = {
    path.replace('model.', 'model.segmentor.', 1): value for path, value in EPS.items()
} | {
    'num_classes': 21,
    'train_cfg.max_iters': 20000,
    'auto_scale_lr.base_batch_size': 8,
    'train_dataloader.batch_size': 4,
    'train_dataloader.dataset.split': 'train_aug',
    'train_dataloader.dataset.side_inputs.saliency': None,
    'model.losses.mac': dict(type='AttentionConsistency', kind='softmax'),
}
RESIZE = dict(type='PILResizeLongSide', side_range=(256, 512), resample='bicubic')
CROP = [
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=448),
    dict(type='PackWeakInputs'),
]
#: maps from disk and L_mac alone, as released; no colour jitter
RELEASED = COMMON | {
    'model.self_training': dict(source='fused', bkg_thr=0.2),
    'model.train_cfg.weights': dict(mac=100.0),
    'train_dataloader.dataset.pipeline': [
        dict(type='LoadPicture'),
        dict(type='LoadSideInputs'),
        RESIZE | dict(align_corners=True),
        *CROP,
    ],
}
#: the teacher runs along, and L_cls, as in the paper
PAPER = COMMON | {
    'model.self_training': dict(
        source='online', bkg_thr=0.2, scales=(0.5, 1.0, 1.5, 2.0)
    ),
    'model.train_cfg.weights': dict(mac=100.0, cls=1.0),
    'train_dataloader.dataset.side_inputs.fused': None,
    'train_dataloader.dataset.pipeline': [dict(type='LoadPicture'), RESIZE, *CROP],
}


@pytest.mark.parametrize(
    'name,published',
    [('smaf_eps_wr38_voc', RELEASED), ('smaf_eps_wr38_voc_online', PAPER)],
)
def test_numbers(name: str, published: dict) -> None:
    cfg = check_numbers(f'smaf/{name}', published)
    entries = SelfTrainingCfg(**cfg.model.self_training)
    assert (entries.stride, entries.reactivated) == (4, True)


@pytest.mark.parametrize(
    'name,slipped,meant',
    [
        ('smaf/smaf_eps_wr38_voc', 5e-4, 0.9),
        ('smaf/smaf_semformer_deit-s_voc', 5e-4, 0.9),
    ],
)
def test_momentum_slip(name: str, slipped: float, meant: float) -> None:
    check_momentum_slip(name, slipped, meant)


@pytest.mark.parametrize('name', ['smaf/smaf_semformer_deit-t_shapes'])
def test_short_trainings_have_a_real_momentum(name: str) -> None:
    check_real_momentum(name)
