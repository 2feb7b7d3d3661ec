# Licensed under Apache-2.0.
"""Learning-rate schedules: what goes wrong, and what a resumed run sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmwsss.engine.schedulers.cosine_warmup_lr import (
    CosineWarmupLR,
    cosine_warmup_factor,
)
from mmwsss.engine.schedulers.poly_warmup_lr import PolyWarmupLR
from mmwsss.engine.schedulers.warmup_lr import WarmupLR


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)


def test_cosine() -> None:
    assert cosine_warmup_factor(0, 10, 100) == pytest.approx(0.1)
    assert cosine_warmup_factor(10, 10, 100) == 1.0
    assert cosine_warmup_factor(55, 10, 100) == pytest.approx(0.5)
    assert cosine_warmup_factor(99, 10, 100) == cosine_warmup_factor(500, 10, 100) > 0
    assert cosine_warmup_factor(0, 0, 100) == 1.0


@pytest.mark.parametrize('kind', [CosineWarmupLR, PolyWarmupLR])
@pytest.mark.parametrize(
    'settings,message',
    [
        (dict(warmup_iters=10, end=1), 'by_epoch=False'),
        (dict(warmup_iters=1500, total_iters=200), 'Shorten the warm-up'),
        (dict(warmup_iters=-1, total_iters=200), 'warmup_iters=-1'),
        (dict(warmup_iters=1, total_iters=200, by_epoch=True), 'needs by_epoch=False'),
        (dict(warmup_iters=1), 'needs by_epoch=False'),
    ],
)
def test_bad_settings(kind: type[WarmupLR], settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f'{kind.__name__}.*{message}'):
        kind(optimizer(), **settings)


@pytest.mark.parametrize('kind', [CosineWarmupLR, PolyWarmupLR])
def test_state_goes_on(kind: type[WarmupLR]) -> None:
    def run(steps: int, state: dict | None = None) -> tuple[list, dict]:
        sgd = optimizer()
        schedule = kind(sgd, warmup_iters=3, total_iters=9)
        if state:
            sgd.load_state_dict(state['sgd'])
            schedule.load_state_dict(state['schedule'])
        rates = []
        for _ in range(steps):
            rates.append(sgd.param_groups[0]['lr'])
            sgd.step()
            schedule.step()
        return rates, dict(sgd=sgd.state_dict(), schedule=schedule.state_dict())

    whole, _ = run(9)
    first, state = run(4)
    second, _ = run(5, state)
    assert first + second == whole and len(set(whole)) == 9
