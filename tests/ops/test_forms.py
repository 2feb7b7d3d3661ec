# Licensed under Apache-2.0.
"""The tests of the operators again, with what is compiled left out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.ops import get_build_info

ROOT = Path(__file__).resolve().parents[2]
TESTS = (
    'tests/ops',
    'tests/goldens/test_crf.py',
    'tests/goldens/test_toco_ops.py',
    'tests/goldens/test_toco_cam.py',
)
SWITCH = 'MMWSSS_WITH_OPS'
OTHERS = ('test_forms.py', 'test_cuda_', 'test_gpu', 'test_installs.py')


@pytest.mark.skipif(os.environ.get(SWITCH) == '0', reason='this is that run')
@pytest.mark.skipif(
    not get_build_info()['compiled'], reason='nothing is compiled: all tests run so'
)
def test_without_compiled_operators():
    ignored = [f'--ignore-glob=*/{name}*' for name in OTHERS]
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:xdist', *ignored, *TESTS]
    env = os.environ | {SWITCH: '0'}
    env.pop('PYTEST_ADDOPTS', None)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert ' passed' in done.stdout
