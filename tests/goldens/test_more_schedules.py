# Licensed under Apache-2.0.
"""The full-size configs have the released weights, token rules and rates."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.config import Config

from mmwsss.engine.schedulers.poly_warmup_lr import poly_warmup_factor
from mmwsss.models.loss_schedule import LossSchedule, StepSchedule
from tests.goldens.more_model import below

CONFIGS = dict(voc='more_vit-b_voc', coco='more_vit-b_coco')


@pytest.fixture(params=CONFIGS)
def setting(request, golden):
    """A data set's arrays, with the terms, and its config."""
    data = golden('more_schedules')
    cfg = Config.fromfile(f'configs/more/{CONFIGS[request.param]}.py')
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


@pytest.mark.parametrize('row,name', [(0, 'certain'), (1, 'uncertain')])
def test_rules_of_token_labels(setting, row: int, name: str) -> None:
    """Whether from the auxiliary CAM, the high and the low threshold."""
    data, cfg = setting
    rule = StepSchedule(cfg.model.train_cfg[name])
    rules = [rule(int(n)) for n in data['n_iter']]
    found = [[r.source == 'aux_cam', r.high_thr, r.low_thr] for r in rules]
    np.testing.assert_array_equal(found, data['f64_masks'][:, row])


def test_pairs_and_pseudo_labels(setting) -> None:
    """Pairs always from the auxiliary CAM, pseudo labels from the final one."""
    data, cfg = setting
    labeler = cfg.model.labeler
    pairs = [[1, labeler.high_thr, labeler.low_thr]] * len(data['n_iter'])
    np.testing.assert_array_equal(pairs, data['f64_masks'][:, 2])
    assert not data['seg_from_aux'].any()


def test_temperature(setting) -> None:
    data, cfg = setting
    assert cfg.model.losses.cle.temperature == float(data['f64_temp_cle'])


def test_learning_rates(setting) -> None:
    """Of encoder, its norms, classifiers, graph, decoder."""
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
    heads = {keys[k].lr_mult for k in ('cam_head', 'aux_cam_head')}
    assert len(heads) == 1
    others = (keys.graph.lr_mult, keys.decode_head.lr_mult)
    mults = np.array([1, 1, heads.pop(), *others])
    rates = cfg.optim_wrapper.optimizer.lr * mults * factors[:, None]
    np.testing.assert_allclose(rates, data['f64_lr'], rtol=1e-9)
