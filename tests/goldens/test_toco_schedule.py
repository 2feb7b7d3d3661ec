# Licensed under Apache-2.0.
"""Learning rates and AdamW steps against the reference."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.engine.optimizers.merged_constructor import MergedOptimWrapperConstructor
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR, poly_warmup_factor
from mmwsss.registry import OPTIM_WRAPPER_CONSTRUCTORS


def rates(params: np.ndarray, base_lrs: np.ndarray, steps: int) -> np.ndarray:
    """Learning rates (steps, groups) that an optimizer sees at iterations 0, 1, ..."""
    warmup, total, ratio, power = params
    groups = [dict(params=[nn.Parameter(torch.zeros(1))], lr=lr) for lr in base_lrs]
    optimizer = torch.optim.AdamW(groups)
    scheduler = PolyWarmupLR(optimizer, int(warmup), int(total), ratio, power)
    seen = []
    for _ in range(steps):
        seen.append([group['lr'] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return np.array(seen)


def test_first_rates_voc(golden):
    g = golden('toco_lr_schedule')
    expected = g['voc_first50']
    got = rates(g['voc_params'], g['base_lrs'], len(expected))
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_short_run_and_beyond(golden):
    g = golden('toco_lr_schedule')
    got = rates(g['short_params'], g['base_lrs'], len(g['short_lr']))
    np.testing.assert_allclose(got, g['short_lr'], rtol=1e-12)


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_selected_iterations(golden, name):
    g = golden('toco_lr_schedule')
    warmup, total, ratio, power = g[f'{name}_params']
    factor = np.array(
        [
            poly_warmup_factor(int(t), int(warmup), int(total), ratio, power)
            for t in g[f'{name}_iters']
        ]
    )
    np.testing.assert_allclose(
        factor[:, None] * g['base_lrs'], g[f'{name}_lr'], rtol=1e-12
    )


def test_adamw_trajectory(golden):
    g = golden('toco_lr_schedule')
    lr, decay, beta1, beta2, eps, warmup, total, ratio, power = g['adamw_hyper']
    parameter = nn.Parameter(torch.from_numpy(g['adamw_p0'].astype(np.float64)))
    optimizer = torch.optim.AdamW(
        [parameter], lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=decay
    )
    scheduler = PolyWarmupLR(optimizer, int(warmup), int(total), ratio, power)
    for grad, expected in zip(g['adamw_grads'], g['adamw_traj'], strict=True):
        parameter.grad = torch.from_numpy(grad.astype(np.float64))
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-6)


class FourParts(nn.Module):
    """The parts that the published groups tell apart."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
        self.cam_head = nn.Conv2d(3, 2, 1)
        self.aux_cam_head = nn.Conv2d(3, 2, 1)
        self.proj_head = nn.Linear(3, 3)
        self.decode_head = nn.Conv2d(3, 3, 1)


@pytest.mark.parametrize('name, setting', [('20k', 'voc'), ('80k', 'coco')])
def test_schedule_configs_equal_the_published_setting(golden, name, setting):
    g = golden('toco_lr_schedule')
    cfg = Config.fromfile(f'configs/_base_/schedules/schedule_{name}.py')
    encoder, norm, heads, decoder = g['base_lrs']
    assert (
        OPTIM_WRAPPER_CONSTRUCTORS.get(cfg.optim_wrapper.constructor)
        is MergedOptimWrapperConstructor
    )
    model = FourParts()
    wrapper_cfg = cfg.optim_wrapper.copy()
    wrapper_cfg.pop('constructor')
    paramwise = wrapper_cfg.pop('paramwise_cfg')
    optimizer = MergedOptimWrapperConstructor(wrapper_cfg, paramwise)(model).optimizer
    rate = {
        id(p): (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for p in group['params']
    }
    for key, parameter in model.named_parameters():
        expected = {'backbone': encoder, 'decode_head': decoder}.get(
            key.split('.')[0], heads
        )
        expected = norm if key.startswith('backbone.1') else expected
        assert rate[id(parameter)] == pytest.approx((expected, 0.01), rel=1e-12), key
    assert len(optimizer.param_groups) == len({*g['base_lrs']})
    scheduler = dict(cfg.param_scheduler[0])
    assert scheduler.pop('type') == 'PolyWarmupLR'
    built = PolyWarmupLR(optimizer, **scheduler, end=cfg.train_cfg.max_iters)
    got = (built.warmup_iters, built.total_iters, built.warmup_ratio, built.power)
    np.testing.assert_allclose(got, g[f'{setting}_params'])


def test_by_epoch_left_out_is_an_error():
    """mmengine then hands over its epoch count, 1, as the end."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ValueError, match='by_epoch=False'):
        PolyWarmupLR(optimizer, warmup_iters=10, end=1)
    with pytest.raises(ValueError, match='Shorten the warm-up'):
        PolyWarmupLR(optimizer, warmup_iters=1500, total_iters=200)
