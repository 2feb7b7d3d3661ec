# Licensed under Apache-2.0.
"""EPS's optimizer and its learning rates against the released ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmwsss.engine.optimizers.slip_sgd import SlipSGD
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS
from tests.helpers import ROOT

CONFIGS = ['eps_wr38_voc', 'eps_wr38_coco', 'cls_wr38_voc']
MULTIPLIERS = (1, 2, 10, 20)


def run(data: dict, **settings) -> tuple[np.ndarray, np.ndarray, SlipSGD]:
    """Parameters after each step and the rates that it used, in four groups."""
    lr, decay = float(data['base_lr']), float(data['weight_decay'])
    tensors = [nn.Parameter(torch.from_numpy(row.copy())) for row in data['init']]
    groups = [
        dict(params=[p], lr=lr * mult, weight_decay=wd)
        for p, mult, wd in zip(tensors, MULTIPLIERS, (decay, 0, decay, 0), strict=True)
    ]
    optimizer = SlipSGD(groups, lr, weight_decay=decay, **settings)
    scheduler = PolyWarmupLR(optimizer, 0, int(data['max_step']), power=0.9)
    params, rates = [], []
    for grads in data['grads']:
        rates.append([group['lr'] for group in optimizer.param_groups])
        for tensor, grad in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        scheduler.step()
        params.append(np.stack([t.detach().numpy().copy() for t in tensors]))
    return np.stack(params), np.array(rates), optimizer


def test_steps(golden) -> None:
    data = golden('eps_polyopt')
    params, rates, optimizer = run(data)
    np.testing.assert_allclose(params, data['params'], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(rates, data['lrs'], rtol=1e-6)
    for name in ('momentum', 'weight_decay'):
        found = [group[name] for group in optimizer.param_groups]
        np.testing.assert_allclose(found, data[f'effective_{name}'], rtol=1e-6)


def test_without_the_slip_it_is_another_optimizer(golden) -> None:
    data = golden('eps_polyopt')
    params, _, optimizer = run(data, momentum=0.9, momentum_slip=False)
    assert {group['momentum'] for group in optimizer.param_groups} == {0.9}
    moved = np.abs(data['params'][-1] - data['init']).max()
    assert np.abs(params - data['params']).max() > 0.1 * moved


@pytest.mark.parametrize('name', CONFIGS)
def test_configs_have_the_published_setting(name: str) -> None:
    cfg = Config.fromfile(ROOT / f'configs/eps/{name}.py')
    init_default_scope('mmwsss')
    cfg.model.backbone.update(pretrained=None)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    wrapper = cfg.optim_wrapper.copy()
    constructor = OPTIM_WRAPPER_CONSTRUCTORS.get(wrapper.pop('constructor'))
    assert OPTIMIZERS.get(wrapper.optimizer.type) is SlipSGD
    paramwise = wrapper.pop('paramwise_cfg')
    optimizer = constructor(wrapper, paramwise)(model).optimizer
    rates = {id(p): group for group in optimizer.param_groups for p in group['params']}
    trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 36  # 35 of 43 convolutions and the classifier, no bias
    for key, parameter in trained.items():
        factor = 10 if key.startswith('cam_head') else 1
        group = rates[id(parameter)]
        assert group['lr'] == pytest.approx(0.01 * factor, rel=1e-6)
        assert (group['momentum'], group['weight_decay']) == (5e-4, 5e-4)
    scheduler = dict(cfg.param_scheduler[0])
    assert scheduler.pop('type') == 'PolyWarmupLR'
    built = PolyWarmupLR(optimizer, **scheduler, end=cfg.train_cfg.max_iters)
    assert (built.warmup_iters, built.power) == (0, 0.9)
    assert built.total_iters == (76950 if 'coco' in name else 20000)
    assert cfg.auto_scale_lr.base_batch_size == (16 if 'coco' in name else 8)
