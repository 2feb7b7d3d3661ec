# Licensed under Apache-2.0.
"""The full-size configs have the released weights, sources and learning rates."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config

from mmwsss.engine.schedulers.poly_warmup_lr import poly_warmup_factor
from mmwsss.models.loss_schedule import LossSchedule, StepSchedule
from tests.goldens.seco_model import below

CONFIGS = dict(voc='seco_vit-b_voc', coco='seco_vit-b_coco')


@pytest.fixture(params=CONFIGS)
def setting(request, golden):
    """A data set's arrays, with the terms, and its config."""
    data = golden('seco_schedules')
    cfg = Config.fromfile(f'configs/seco/{CONFIGS[request.param]}.py')
    return below(data, f'{request.param}/') | dict(terms=data['terms']), cfg


def test_weights(setting) -> None:
    data, cfg = setting
    schedule = LossSchedule(cfg.model.train_cfg.weights)
    found = [
        [schedule(int(n)).get(str(term), 0.0) for term in data['terms']]
        for n in data['n_iter']
    ]
    # the release's weight of the energy is without its factor of 1e-7
    np.testing.assert_allclose(found, data['f64_weights'], rtol=1e-9)


@pytest.mark.parametrize('name', ['seg_from_aux', 'roi_from_aux'])
def test_sources(setting, name: str) -> None:
    data, cfg = setting
    key = dict(seg_from_aux='pseudo_source', roi_from_aux='roi_source')[name]
    source = StepSchedule(cfg.model.train_cfg[key])
    found = [source(int(n)) == 'aux_cam' for n in data['n_iter']]
    np.testing.assert_array_equal(found, data[name].astype(bool))


def test_learning_rates(setting) -> None:
    """Of encoder, its norms, heads, decoder."""
    data, cfg = setting
    (schedule,) = cfg.param_scheduler
    factors = np.array(
        [
            poly_warmup_factor(
                int(t),
                schedule.warmup_iters,
                cfg.train_cfg.max_iters,
                schedule.warmup_ratio,
                schedule.power,
            )
            for t in data['lr_iters']
        ]
    )
    keys = cfg.optim_wrapper.paramwise_cfg.custom_keys
    heads = {keys[k].lr_mult for k in ('cam_head', 'aux_cam_head', 'proj_head')}
    assert len(heads) == 1
    mults = np.array([1, 1, heads.pop(), keys.decode_head.lr_mult])
    rates = cfg.optim_wrapper.optimizer.lr * mults * factors[:, None]
    np.testing.assert_allclose(rates, data['f64_lr'], rtol=1e-9)
