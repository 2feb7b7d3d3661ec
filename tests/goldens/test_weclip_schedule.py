# Licensed under Apache-2.0.
"""Learning rates of the full-size configs; AdamW under the schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR, poly_warmup_factor

CONFIGS = dict(voc='weclip_vit-b_voc', coco='weclip_vit-b_coco')


def config(name: str) -> Config:
    return Config.fromfile(f'configs/weclip/{CONFIGS[name]}.py')


@pytest.mark.parametrize('name', CONFIGS)
def test_learning_rates(golden, name: str) -> None:
    data, cfg = golden('weclip_schedule'), config(name)
    (schedule,) = cfg.param_scheduler
    given = (
        schedule.warmup_iters,
        cfg.train_cfg.max_iters,
        schedule.warmup_ratio,
        schedule.power,
    )
    assert given == tuple(data[f'{name}_params'].tolist())
    optimizer = cfg.optim_wrapper.optimizer
    rate = (
        optimizer.lr * cfg.optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult
    )
    found = [rate * poly_warmup_factor(int(t), *given) for t in data[f'{name}_steps']]
    np.testing.assert_allclose(found, data[f'{name}_lr'][:, 3], rtol=1e-12)
    assert data['weight_decays'][3] == optimizer.weight_decay


def test_adamw_under_the_schedule(golden) -> None:
    data, cfg = golden('weclip_schedule'), config('voc')
    warmup, total, ratio, power = data['short_params'].tolist()
    weights = torch.nn.Parameter(torch.from_numpy(data['adamw_start'].copy()))
    settings = cfg.optim_wrapper.optimizer.to_dict()
    assert settings.pop('type') == 'AdamW'
    settings['lr'] = float(data['base_lrs'][3])
    optimizer = torch.optim.AdamW([weights], **settings)
    schedule = PolyWarmupLR(
        optimizer, int(warmup), int(total), ratio, power, by_epoch=False
    )
    for grad, expected in zip(data['adamw_grads'], data['adamw_path'], strict=True):
        weights.grad = torch.from_numpy(grad)
        optimizer.step()
        schedule.step()
        np.testing.assert_allclose(weights.detach().numpy(), expected, rtol=1e-12)
