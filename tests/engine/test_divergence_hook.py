# Licensed under Apache-2.0.
"""Trainings that diverge, on the toy model."""

from __future__ import annotations

import json

import pytest
import torch
from mmengine.hooks import Hook

from mmwsss.engine.hooks.divergence_hook import DivergenceError, DivergenceHook
from mmwsss.testing.tool_runs import build_runner
from tests.helpers import ROOT

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'
EVERY = dict(
    default_hooks__checkpoint__interval=1, default_hooks__checkpoint__save_best=None
)


class Spoil(Hook):
    """Sets a weight to a value before an iteration (from 0), or after it."""

    priority = 'LOWEST'

    def __init__(self, value, iteration, after=False):
        self.value, self.iteration, self.after = value, iteration, after

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration and not self.after:
            self.spoil(runner)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == self.iteration and self.after:
            self.spoil(runner)

    def spoil(self, runner):
        next(runner.model.parameters()).data.view(-1)[0] = self.value


def spoiled(work_dir, value=float('nan'), iteration=3, after=False, **settings):
    runner = build_runner(CONFIG, work_dir, **EVERY, **settings)
    priority = 'HIGHEST' if after else 'LOWEST'
    runner.register_hook(Spoil(value, iteration, after), priority=priority)
    return runner


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_stops_with_what_can_tell_the_cause(tmp_path, value):
    with pytest.raises(DivergenceError) as error:
        spoiled(tmp_path, value).train()
    told = str(error.value)
    assert told.startswith('iteration 4: ') and 'loss' in told
    assert str(tmp_path / 'iter_3.pth') in told and '--keep-going' in told
    report = json.loads((tmp_path / 'diverged_0.json').read_text())
    assert report['iteration'] == 4 and 'nan' in report['losses'].values()
    batch = torch.load(tmp_path / 'diverged_0.pth', weights_only=True)
    assert batch['pictures'] == report['pictures'] and len(report['pictures']) > 0
    assert not (tmp_path / 'iter_4.pth').exists()


def test_a_rate_far_too_high(tmp_path):
    settings = dict(optim_wrapper__optimizer__lr=1e30)
    with pytest.raises(DivergenceError, match='the training has diverged'):
        build_runner(CONFIG, tmp_path, **EVERY, **settings).train()
    kept = [torch.load(file, weights_only=True) for file in tmp_path.glob('iter_*')]
    assert all(
        bool(value.isfinite().all())
        for saved in kept
        for value in saved['state_dict'].values()
    )


def test_weights_are_looked_at_before_they_replace_good_ones(tmp_path):
    """The losses of the iteration were finite, its step wasn't."""
    with pytest.raises(DivergenceError, match=r'iteration 4: .* holds NaN or infinite'):
        spoiled(tmp_path, after=True).train()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_3.pth')
    saved = torch.load(tmp_path / 'iter_3.pth', weights_only=True)
    assert all(bool(v.isfinite().all()) for v in saved['state_dict'].values())


def test_goes_on_where_that_is_wanted(tmp_path):
    settings = dict(custom_hooks=[dict(type='DivergenceHook', keep_going=True)])
    runner = spoiled(tmp_path, **settings)
    runner.train()
    assert runner.iter == 6 and (tmp_path / 'iter_6.pth').is_file()


def test_figures_beside_the_losses_may_be_nan():
    DivergenceHook().after_train_iter(None, 0, outputs=dict(label_fg=float('nan')))
