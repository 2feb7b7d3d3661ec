# Licensed under Apache-2.0.
"""FSR's rates, temperatures, momenta, optimiser steps and teacher updates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmwsss.engine.schedulers.cosine_warmup_lr import (
    CosineWarmupLR,
    cosine_warmup_factor,
)
from mmwsss.models.loss_schedule import Ramp
from mmwsss.models.teachers.ema_copy import EMACopy

RTOL = 1e-12


def lengths(data, prefix: str = 'n') -> list[int]:
    """The run lengths that a file holds."""
    names = [
        k.split('/')[0].removeprefix(prefix)
        for k in data
        if k.endswith('/index') and k.startswith(prefix)
    ]
    assert names
    return [int(n) for n in names]


def test_temperature_and_momentum(golden) -> None:
    data = golden('fsr_schedules')
    for n in lengths(data):
        temperature = Ramp(0.04, 0.07, n // 8)
        momentum = Ramp(0.9995, 1.0, n, 'cosine')
        for ramp, name in ((temperature, 'teacher_temp'), (momentum, 'momentum')):
            np.testing.assert_allclose(
                [ramp(int(i)) for i in data[f'n{n}/index']],
                data[f'f64_n{n}/{name}'],
                rtol=RTOL,
            )
    n, warm, low, high, start, end = data['f64_small/args']
    for ramp, name in (
        (Ramp(low, high, int(warm)), 'teacher_temp'),
        (Ramp(start, end, int(n), 'cosine'), 'momentum'),
    ):
        np.testing.assert_allclose(
            [ramp(i) for i in range(int(n))], data[f'f64_small/{name}'], rtol=RTOL
        )


@pytest.mark.parametrize('name', ['voc', 'coco'])
def test_configs(golden, name: str) -> None:
    """The two full-size configs have the published schedules."""
    cfg = Config.fromfile(f'configs/fsr/fsr_vit-b_{name}.py')
    data, n = golden('fsr_schedules'), cfg.train_cfg.max_iters
    if n not in lengths(data):
        pytest.skip(f'the file has no run of {n} iterations')
    train_cfg = cfg.model.train_cfg
    for ramp, key in (
        (Ramp(**train_cfg.teacher_temp), 'teacher_temp'),
        (Ramp(**train_cfg.ema_momentum, shape='cosine'), 'momentum'),
    ):
        np.testing.assert_allclose(
            [ramp(int(i)) for i in data[f'n{n}/index']],
            data[f'f64_n{n}/{key}'],
            rtol=RTOL,
        )
    scheduler = cfg.param_scheduler[0]
    np.testing.assert_allclose(
        [
            cosine_warmup_factor(
                int(i), scheduler.warmup_iters, n, scheduler.warmup_ratio
            )
            for i in data[f'lr_n{n}/index']
        ],
        data[f'f64_lr_n{n}/mult'],
        rtol=RTOL,
        atol=1e-15,
    )


def test_rates(golden) -> None:
    data = golden('fsr_schedules')
    for n in lengths(data, 'lr_n'):
        np.testing.assert_allclose(
            [cosine_warmup_factor(int(i), 1500, n) for i in data[f'lr_n{n}/index']],
            data[f'f64_lr_n{n}/mult'],
            rtol=RTOL,
            atol=1e-15,
        )


def test_optimiser_steps(golden) -> None:
    data = golden('fsr_schedules')
    steps, warmup, end, ratio, lr, scale, decay = data['f64_opt/args']
    tensors = [nn.Parameter(torch.from_numpy(row.copy())) for row in data['opt/init']]
    settings = ((lr, 0.0), (lr, decay), (scale * lr, 0.0), (scale * lr, decay))
    optimizer = torch.optim.AdamW(
        [
            dict(params=[p], lr=rate, weight_decay=wd)
            for p, (rate, wd) in zip(tensors, settings, strict=True)
        ],
        betas=(0.9, 0.999),
        eps=1e-8,
    )
    scheduler = CosineWarmupLR(optimizer, int(warmup), int(end), warmup_ratio=ratio)
    for i in range(int(steps)):
        np.testing.assert_allclose(
            [g['lr'] for g in optimizer.param_groups], data['f64_opt/lr'][i], rtol=RTOL
        )
        for parameter, grad in zip(tensors, data['opt/grads'][i], strict=True):
            parameter.grad = torch.from_numpy(grad)
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(
            torch.stack(list(tensors)).detach(),
            data['opt/params'][i],
            rtol=1e-5,
            atol=1e-6,
        )


def test_teacher_updates(golden) -> None:
    data = golden('fsr_schedules')
    module = nn.Module()
    module.weight = nn.Parameter(torch.from_numpy(data['ema/teacher0'].copy()))
    teacher = EMACopy(module)
    for momentum, student, expected in zip(
        data['f64_ema/momentum'], data['ema/student'], data['ema/teacher'], strict=True
    ):
        module.weight.data = torch.from_numpy(student)
        teacher.follow(module, float(momentum))
        np.testing.assert_allclose(
            teacher.module.weight, expected, rtol=1e-5, atol=1e-6
        )
