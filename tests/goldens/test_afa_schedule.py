# Licensed under Apache-2.0.
"""AFA's learning rates, optimiser groups and AdamW steps against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR, poly_warmup_factor
from mmwsss.registry import MODELS
from tests.goldens.test_toco_schedule import rates


@pytest.mark.parametrize(
    'params,stored', [('voc_params', 'voc_first50'), ('short_params', 'short_lr')]
)
def test_rates(golden, params: str, stored: str) -> None:
    data = golden('afa_lr_schedule')
    expected = data[stored]
    got = rates(data[params], data['base_lrs'], len(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_selected_iterations(golden, name: str) -> None:
    data = golden('afa_lr_schedule')
    warmup, total, ratio, power = data[f'{name}_params']
    factor = np.array(
        [
            poly_warmup_factor(int(t), int(warmup), int(total), ratio, power)
            for t in data[f'{name}_iters']
        ]
    )
    np.testing.assert_allclose(
        factor[:, None] * data['base_lrs'], data[f'{name}_lr'], rtol=1e-12
    )


def test_adamw_trajectory(golden) -> None:
    data = golden('afa_lr_schedule')
    lr, decay, beta1, beta2, eps, warmup, total, ratio, power = data['adamw_hyper']
    start = torch.from_numpy(data['adamw_p0'])
    moved, frozen = (nn.Parameter(start.clone()) for _ in range(2))
    optimizer = torch.optim.AdamW(
        [dict(params=[moved]), dict(params=[frozen], lr=0.0, weight_decay=0.0)],
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=decay,
    )
    scheduler = PolyWarmupLR(optimizer, int(warmup), int(total), ratio, power)
    for grad, expected in zip(data['adamw_grads'], data['adamw_traj'], strict=True):
        moved.grad, frozen.grad = (torch.from_numpy(grad.copy()) for _ in range(2))
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(moved.detach().numpy(), expected, rtol=1e-12)
    np.testing.assert_array_equal(frozen.detach().numpy(), data['adamw_frozen_after'])


@pytest.mark.parametrize('dataset', ['voc', 'coco'])
def test_configs_equal_the_published_setting(golden, dataset: str) -> None:
    data = golden('afa_lr_schedule')
    cfg = Config.fromfile(f'configs/afa/afa_mit-b1_{dataset}.py')
    model = MODELS.build(cfg.model)
    wrapper = cfg.optim_wrapper.copy()
    assert wrapper.pop('constructor') == 'MergedOptimWrapperConstructor'
    paramwise = wrapper.pop('paramwise_cfg')
    optimizer = MergedOptimWrapperConstructor(wrapper, paramwise)(model).optimizer
    setting = {
        id(p): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for p in group['params']
    }
    groups = list(zip(data['base_lrs'], data['weight_decays'], strict=True))
    encoder, norm, heads, decoder = groups
    assert norm == (0, 0)
    parts = dict(
        backbone=encoder, cam_head=heads, affinity_head=heads, decode_head=decoder
    )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert setting[id(parameter)] == pytest.approx(
                parts[name.split('.')[0]], rel=1e-12
            ), name
    scheduler = dict(cfg.param_scheduler[0])
    assert scheduler.pop('type') == 'PolyWarmupLR'
    built = PolyWarmupLR(optimizer, **scheduler, end=cfg.train_cfg.max_iters)
    got = (built.warmup_iters, built.total_iters, built.warmup_ratio, built.power)
    np.testing.assert_allclose(got, data[f'{dataset}_params'])
    # the released model: 13.69 M values
    if dataset == 'voc':
        assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 13.69
