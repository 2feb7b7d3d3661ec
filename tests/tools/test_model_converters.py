# Licensed under Apache-2.0.
"""The converters from the command line: files of the authors' layout in, ours out."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tests.goldens.afa_model import tiny_afa
from tests.goldens.conftest import load_golden
from tests.goldens.more_model import tiny_more
from tests.goldens.seco_model import tiny_seco
from tests.goldens.toco_model import state_dict
from tests.helpers.training import ROOT


def convert(tool: str, source, target, check: bool = True) -> str:
    """Run a converter; gives what it prints."""
    done = subprocess.run(
        [sys.executable, f'tools/model_converters/{tool}.py', str(source), str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not (check and done.returncode), done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_afa(prefix: str, tmp_path) -> None:
    data = load_golden('afa_network')
    source, target = tmp_path / 'theirs.pth', tmp_path / 'ours.pth'
    torch.save({f'{prefix}{k}': v for k, v in state_dict(data).items()}, source)
    convert('afa', source, target)
    model = tiny_afa(data)
    state = torch.load(target, weights_only=True)['state_dict']
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())


def test_seco(tmp_path) -> None:
    """Teachers and memory come with the network; what is never called stays behind."""
    data = load_golden('seco_network')
    source, target = tmp_path / 'theirs.pth', tmp_path / 'ours.pth'
    torch.save({f'module.{k}': v for k, v in state_dict(data).items()}, source)
    convert('seco', source, target)
    model = tiny_seco(data)
    state = torch.load(target, weights_only=True)['state_dict']
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(state[k], v) for k, v in model.state_dict().items())


def test_more(tmp_path) -> None:
    """Also where the weights are nested, as those of COCO; dead layers stay behind."""
    data = load_golden('more_network')
    state = {f'module.{k}': v for k, v in state_dict(data).items()}
    model = tiny_more(data)
    for name, content in (('voc', state), ('coco', dict(model_state_dict=state))):
        source, target = tmp_path / f'{name}.pth', tmp_path / f'{name}_ours.pth'
        torch.save(content, source)
        convert('more', source, target)
        ours = torch.load(target, weights_only=True)['state_dict']
        assert ours.keys() == model.state_dict().keys()
        assert all(torch.equal(ours[k], v) for k, v in model.state_dict().items())


def test_another_method_is_refused(tmp_path) -> None:
    source, target = tmp_path / 'theirs.pth', tmp_path / 'ours.pth'
    torch.save({'proj_head.mlp.0.weight': torch.zeros(1)}, source)
    assert 'keys are not of this layout' in convert('afa', source, target, check=False)
    assert not target.exists()
