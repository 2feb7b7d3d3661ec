# Licensed under Apache-2.0.
"""The operators in every kind of install: without the mm stack, compiled or not.

Each case is a process of its own; a copy of the package stands for an install.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmwsss.ops import get_build_info

ROOT = Path(__file__).resolve().parents[2]
USE = """
import json, torch
from mmwsss.ops import *
image, prob = torch.rand(1, 3, 9, 8) * 255, torch.rand(1, 4, 9, 8).softmax(dim=1)
refined = par(image, prob)
marginals = dense_crf(image, unary_from_prob(refined), **DENSE_CRF_PRESETS['psa'])
assert torch.allclose(marginals.sum(dim=1), torch.ones(1, 9, 8), atol=1e-5)
print(json.dumps(get_build_info()))
"""
BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Folder that holds the package without anything compiled."""
    ignore = shutil.ignore_patterns('_ext*', '__pycache__', '.mim', 'csrc')
    shutil.copytree(ROOT / 'mmwsss', tmp_path / 'mmwsss', ignore=ignore)
    return tmp_path


def compiled_for(folder: Path, version: str) -> None:
    """Lay a compiled file there that says it was built with that torch."""
    package = folder / 'mmwsss'
    (package / '_ext.abi3.so').write_bytes(b'not a library')
    (package / '_ext_build.json').write_text(json.dumps(dict(torch=version)))


def run(code: str, folder: Path, switch: str = '') -> subprocess.CompletedProcess:
    env = dict(os.environ, PYTHONPATH=str(folder), MMWSSS_WITH_OPS=switch)
    return subprocess.run(
        [sys.executable, '-W', 'always', '-c', code],
        cwd=folder, env=env, capture_output=True, text=True,
    )  # fmt: skip


def info(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def last_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode != 0, done.stdout
    return done.stderr.strip().splitlines()[-1]


def test_a_file_of_other_sources_is_not_loaded(copy: Path) -> None:
    """Its operators may take other arguments, which would end the process."""
    compiled_for(copy, torch.__version__)
    (copy / 'mmwsss' / 'ops' / 'csrc').mkdir()
    (copy / 'mmwsss' / 'ops' / 'csrc' / 'new.cpp').write_text('// changed')
    record = copy / 'mmwsss' / '_ext_build.json'
    record.write_text(json.dumps(dict(torch=torch.__version__, sources='0' * 16)))
    done = run('import mmwsss.ops', copy, switch='1')
    assert 'built from other sources' in last_line(done)


def test_torch_and_numpy_are_enough():
    blocked = {
        'mmengine', 'mmcv', 'mmseg', 'mmpretrain', 'mmdet', 'torchvision', 'cv2',
        'scipy', 'PIL', 'matplotlib',
    }  # fmt: skip
    found = info(run(BLOCK.format(blocked=blocked) + USE, ROOT))
    assert found['compiled'] == get_build_info()['compiled']


def test_switched_off():
    found = info(run(USE, ROOT, '0'))
    assert not found['compiled']
    assert not found['cuda']
    assert found['reason'] == 'MMWSSS_WITH_OPS=0'


@pytest.mark.skipif(not get_build_info()['compiled'], reason='nothing is compiled')
@pytest.mark.parametrize('switch', ['', 'auto', '1'])
def test_compiled(switch):
    found = info(run(USE, ROOT, switch))
    assert found['compiled']
    assert found['reason'] is None
    assert Path(found['file']).exists()
    assert found['torch'] == torch.__version__


def test_wrong_switch(copy):
    message = last_line(run(USE, copy, 'yes'))
    assert message == "ValueError: MMWSSS_WITH_OPS must be auto, 1 or 0, got 'yes'"


def test_nothing_compiled(copy):
    done = run(USE, copy)
    found = info(done)
    assert not found['compiled']
    assert 'no compiled file' in found['reason']
    assert str(copy) in found['reason']
    # That is how many install it: a word in get_build_info(), no warning.
    assert 'Warning' not in done.stderr


def test_nothing_compiled_but_wanted(copy):
    message = last_line(run(USE, copy, '1'))
    assert message.startswith('ImportError: MMWSSS_WITH_OPS=1')
    assert 'no compiled file' in message


def test_compiled_for_another_torch(copy):
    compiled_for(copy, '1.0.0')
    done = run(USE, copy)
    found = info(done)
    assert not found['compiled']
    for text in (found['reason'], done.stderr):
        assert 'built against torch 1.0.0' in text
        assert f'this is torch {torch.__version__}' in text
    assert 'Warning' in done.stderr


def test_compiled_for_another_torch_but_wanted(copy):
    compiled_for(copy, '1.0.0')
    message = last_line(run(USE, copy, '1'))
    assert message.startswith('ImportError: MMWSSS_WITH_OPS=1')
    assert '1.0.0' in message
    assert torch.__version__ in message


def test_broken_file(copy):
    """As an upgrade of the C++ library or a cut download leaves it."""
    compiled_for(copy, torch.__version__)
    done = run(USE, copy)
    assert not info(done)['compiled']
    assert 'Warning: the compiled operators of mmwsss are not used' in done.stderr


def test_unreadable_record(copy):
    compiled_for(copy, torch.__version__)
    (copy / 'mmwsss' / '_ext_build.json').write_text('{')
    done = run(USE, copy)
    assert not info(done)['compiled']
    assert '_ext_build.json' in done.stderr
