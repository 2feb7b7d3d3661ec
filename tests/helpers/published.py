# Licensed under Apache-2.0.
"""Published numbers that several methods share, and how a config is held to them.

Written from the methods' papers and released code, config by config, so that an edit
of a shared base file can't move them unseen. ``a.0.b`` is item 0 of list ``a``. Each
method's own stand beside it, in ``tests/methods/<method>/test_<method>_published.py``.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from mmwsss.registry import OPTIMIZERS
from tests.helpers import ROOT

#: of the methods that train in a single stage
SINGLE_STAGE = {
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
#: EPS's network and optimizer, which SMAF trains on as well
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


def config_of(name: str) -> Config:
    """A config below ``configs``, by its path without the ending."""
    return Config.fromfile(ROOT / 'configs' / f'{name}.py')


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


def check_numbers(config: str, published: dict[str, Any]) -> Config:
    """The config has all of them; returned for more.

    Args:
        config: below ``configs``, without its ending.
        published: path → value.
    """
    cfg = config_of(config)
    there = {path: plain(setting(cfg, path)) for path in published}
    moved = {k: (there[k], v) for k, v in plain(published).items() if there[k] != v}
    assert not moved, f'{config}: path → (there, published): {moved}'
    return cfg


def check_momentum_slip(config: str, slipped: float, meant: float) -> None:
    """One option by one name, in effect."""
    cfg = config_of(config)
    assert effective_sgd(cfg)['momentum'] == slipped
    cfg.merge_from_dict({'optim_wrapper.optimizer.momentum_slip': False})
    assert effective_sgd(cfg)['momentum'] == meant


def check_real_momentum(config: str) -> None:
    """A short training has the momentum that was meant."""
    assert effective_sgd(config_of(config))['momentum'] == 0.9
