# Licensed under Apache-2.0.
"""The converter of FSR's checkpoints as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.methods.fsr.fsr_keys import convert_fsr
from tests.goldens.fsr_model import below, tensors, tiny_fsr

ROOT = Path(__file__).resolve().parents[2]


def convert(*arguments: object) -> subprocess.CompletedProcess:
    """Run the tool."""
    return subprocess.run(
        [sys.executable, 'tools/model_converters/fsr.py', *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
    )


def test_student_and_teacher(golden, tmp_path) -> None:
    data = golden('fsr_train_steps')
    for name in ('student', 'teacher'):
        torch.save(tensors(below(data, f'final_{name}/')), tmp_path / f'{name}.pth')
    done = convert(
        tmp_path / 'student.pth',
        tmp_path / 'fsr.pth',
        '--teacher',
        tmp_path / 'teacher.pth',
    )
    assert done.returncode == 0, done.stderr
    state = torch.load(tmp_path / 'fsr.pth', weights_only=True)['state_dict']
    model = tiny_fsr(data, 'init/')
    model.load_state_dict(state, strict=True)
    expected = convert_fsr(
        *(tensors(below(data, f'final_{name}/')) for name in ('student', 'teacher'))
    )
    assert all(torch.equal(v, state[k]) for k, v in expected.items())
    assert any(
        not torch.equal(v, state[k.replace('_ema.module', '')])
        for k, v in state.items()
        if '_ema.' in k
    )


def test_another_layout_is_named(tmp_path) -> None:
    torch.save(
        {'encoder.cls_blocks.0.attn.qkv.weight': torch.zeros(1)}, tmp_path / 'other.pth'
    )
    done = convert(tmp_path / 'other.pth', tmp_path / 'fsr.pth')
    assert done.returncode and 'cls_blocks.0.attn.qkv.weight' in done.stderr
    assert not (tmp_path / 'fsr.pth').exists()


@pytest.mark.parametrize('layer_scale', [False, True])
def test_first_public_layout(golden, layer_scale: bool) -> None:
    """Its files hold layer scales as well."""
    data = golden('fsr_train_steps')
    if layer_scale:
        width = data['init/encoder.cls_token'].shape[-1]
        for block in range(int(data['cfg/cls_depth'])):
            for gamma in ('gamma1', 'gamma2'):
                key = f'init/encoder.cls_blocks.{block}.{gamma}'
                data[key] = torch.rand(width).numpy()
    model = tiny_fsr(data, 'init/')  # strict
    gammas = [k for k, _ in model.backbone.named_parameters() if 'gamma' in k]
    assert bool(gammas) == layer_scale
