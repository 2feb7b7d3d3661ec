# Licensed under Apache-2.0.
"""Trainings that are told to end, on the toy model."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from mmengine.hooks import Hook

from mmwsss.engine.hooks import stop_signal_hook
from mmwsss.engine.hooks.stop_signal_hook import STOPPED
from mmwsss.testing.tool_runs import build_runner
from tests.helpers import ROOT

CONFIG = ROOT / 'tests' / 'helpers' / 'toy_config.py'


class Signal(Hook):
    """Sends a signal to this process within a training iteration, or a validation."""

    def __init__(self, number, iteration=None):
        self.number, self.iteration = number, iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), self.number)

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if self.iteration is None and batch_idx == 2:
            os.kill(os.getpid(), self.number)


def told(work_dir, number, iteration=None, **settings):
    runner = build_runner(CONFIG, work_dir, **settings)
    runner.register_hook(Signal(number, iteration))
    with pytest.raises(SystemExit) as end:
        runner.train()
    assert end.value.code == STOPPED == 75


def weights(file):
    return torch.load(file, weights_only=True)['state_dict']


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize('workers', [0, 1])
def test_goes_on_as_if_nothing_had_been(tmp_path, number, workers):
    loading = {
        'train_dataloader__num_workers': workers,
        'train_dataloader__persistent_workers': workers > 0,
    }
    whole, told_to = tmp_path / 'whole', tmp_path / 'told'
    build_runner(CONFIG, whole, **loading).train()
    before = signal.getsignal(number)
    told(told_to, number, 3, **loading)
    assert signal.getsignal(number) == before
    assert (told_to / 'last_checkpoint').read_text().endswith('iter_4.pth')
    build_runner(CONFIG, told_to, resume=True, **loading).train()
    one, other = weights(whole / 'iter_6.pth'), weights(told_to / 'iter_6.pth')
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_while_validating(tmp_path):
    told(tmp_path, signal.SIGTERM)
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_3.pth')
    runner = build_runner(CONFIG, tmp_path, resume=True)
    runner.train()
    assert runner.iter == 6 and 'seg_mIoU' in ' '.join(runner.message_hub.log_scalars)


def test_a_checkpoint_that_is_due_is_written_once(tmp_path, monkeypatch):
    told(tmp_path, signal.SIGTERM, 2)  # saved after 3 iterations anyway
    assert [f.name for f in tmp_path.glob('iter_*')] == ['iter_3.pth']


def test_all_processes_end_with_the_one_that_was_told(tmp_path, monkeypatch):
    monkeypatch.setattr(stop_signal_hook, 'get_world_size', lambda: 2)
    monkeypatch.setattr(
        stop_signal_hook, 'all_reduce', lambda told, op: told.fill_(1.0)
    )
    runner = build_runner(CONFIG, tmp_path)
    with pytest.raises(SystemExit, match='75'):
        runner.train()
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_1.pth')
