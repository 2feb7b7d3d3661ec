# Licensed under Apache-2.0.
"""Self-training of a seeded tiny model of any method."""

from __future__ import annotations

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.registry import MODELS
from mmwsss.testing import LABELS, SIZE, sample, train_batch
from tests.helpers import ROOT

SMAF = 'configs/smaf/smaf_toco_vit-t_shapes.py'
SMAF_EPS = 'configs/smaf/smaf_eps_wr38-t_shapes.py'
CAM = 'configs/cam/cam_vit-t_shapes.py'
TOCO = 'configs/toco/toco_vit-t_shapes.py'
SEMFORMER = 'configs/semformer/semformer_deit-t_shapes.py'  # has no L_cls
BASES = (
    CAM,
    TOCO,
    'configs/fsr/fsr_vit-t_shapes.py',
    'configs/afa/afa_mit-t_shapes.py',
    SEMFORMER,
)


def eps_cfg() -> dict:
    """A narrow EPS."""
    cfg = Config.fromfile(ROOT / 'configs/_base_/models/eps_wr38.py').model
    cfg.backbone.widths = (4, 4, 8, 8, 16, 16, 16)
    cfg.cam_head.in_channels = 16
    return cfg.to_dict() | dict(num_classes=7)


def base_cfg(config: str) -> dict:
    """The model config of a method."""
    init_default_scope('mmwsss')
    cfg = (
        eps_cfg() if config == 'eps' else Config.fromfile(ROOT / config).model.to_dict()
    )
    cfg['backbone']['pretrained'] = None
    return cfg


def base_model(config: str, seed: int = 0) -> WeakSegmentor:
    """A seeded model of a method."""
    torch.manual_seed(seed)
    model = MODELS.build(base_cfg(config))
    WeakSegmentor.init_weights(model)  # without what the method's own losses need
    return model.eval()


def wrapped(config: str, folder, base: WeakSegmentor | None = None, **settings):
    """Self-training of a seeded model of a method, its checkpoint in a folder."""
    base = base or base_model(config)
    torch.save(dict(state_dict=base.state_dict()), folder / 'base.pth')
    kind = 'softmax' if config == 'eps' else 'relu'
    model = MODELS.build(
        dict(
            type='MultiScaleSelfTraining',
            segmentor=base_cfg(config),
            checkpoint=str(folder / 'base.pth'),
            losses=dict(mac=dict(type='AttentionConsistency', kind=kind)),
            train_cfg=dict(
                weights=dict(mac=10.0) | ({} if config == SEMFORMER else dict(cls=1.0))
            ),
            data_preprocessor=dict(zero_padding=('img',)),
        )
        | settings
    )
    model.init_weights()
    return model


def batch_of_whole_images(model) -> dict:
    """A training batch without padding, images of as many classes."""
    data = train_batch(model, (0, 1, 2))
    data['data_samples'] = [
        sample(LABELS[i], (SIZE, SIZE), i, (0, SIZE, 0, SIZE)) for i in (0, 1, 2)
    ]
    return data
