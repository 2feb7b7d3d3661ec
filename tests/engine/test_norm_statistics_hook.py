# Licensed under Apache-2.0.
from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import mmwsss.engine.hooks.norm_statistics_hook as module
from mmwsss.engine.hooks.norm_statistics_hook import NormStatisticsHook


@pytest.mark.parametrize('world', [1, 2])
def test_mean_over_processes(monkeypatch, world: int) -> None:
    """The other process's statistics are 2 higher."""
    monkeypatch.setattr(module, 'get_world_size', lambda: world)
    monkeypatch.setattr(module, 'all_reduce', lambda flat, op: flat.add_(1))
    model = nn.Sequential(
        nn.BatchNorm2d(2),
        nn.LayerNorm(3),
        nn.BatchNorm1d(3, affine=False),
        nn.BatchNorm2d(2, track_running_stats=False),
    )
    before = {k: v.clone() for k, v in model.state_dict().items()}
    NormStatisticsHook().after_train_iter(SimpleNamespace(model=model), 0)
    for key, value in model.state_dict().items():
        moved = world > 1 and 'running' in key
        assert torch.equal(value, before[key] + moved), key


def test_a_model_without_batch_norm(monkeypatch) -> None:
    monkeypatch.setattr(module, 'get_world_size', lambda: 2)
    NormStatisticsHook().after_train_iter(SimpleNamespace(model=nn.Linear(2, 2)), 0)
