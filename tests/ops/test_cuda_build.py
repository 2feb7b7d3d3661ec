# Licensed under Apache-2.0.
"""The CUDA sources compile; that needs a toolkit but no GPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.ops import _build

ROOT = Path(__file__).resolve().parents[2]
CHECK_OPS = """
import torch
import mmwsss
from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, get_build_info, par
from mmwsss.ops._schema import python_forms

info = get_build_info()
assert info['compiled'] and info['cuda'], info
assert info['arch_list'] == '9.0', info
image = torch.rand(1, 3, 12, 11) * 255
energies = torch.rand(1, 3, 12, 11)
for run in (
    lambda: par(image, energies),
    lambda: dense_crf(image, energies, **DENSE_CRF_PRESETS['psa']),
):
    result = run()
    with python_forms():
        torch.testing.assert_close(result, run(), atol=1e-4, rtol=0)
"""


SOURCES = sorted((_build.CSRC / 'pytorch' / 'cuda').glob('*.cu'))
HOME = _build.cuda_home()

needs_nvcc = pytest.mark.skipif(HOME is None, reason='needs nvcc (the CUDA toolkit)')


@needs_nvcc
@pytest.mark.parametrize('source', SOURCES, ids=lambda path: path.stem)
def test_no_warnings_and_no_spills(source, tmp_path):
    """For two GPUs; kernels of cub are its authors' business."""
    archs = [f'-gencode=arch=compute_{a},code=sm_{a}' for a in (80, 90)]
    folders = [*_build.own_headers(), *_build.cuda_headers()]
    include = [f'-I{folder}' for folder in folders]
    strict = ['-Werror=all-warnings', '-Xptxas=-v', '-Xcompiler=-Wall,-Werror']
    command = [HOME / 'bin' / 'nvcc', *_build.NVCC_FLAGS, *strict, *archs, *include]
    done = subprocess.run(
        [*map(str, command), '-c', str(source), '-o', str(tmp_path / 'out.o')],
        capture_output=True,
        text=True,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    stores = re.findall(
        r'Function properties for (\S+)\s.*?(\d+) bytes spill stores',
        output,
        flags=re.DOTALL,
    )
    # One entry for each kernel and GPU.
    ours = [(name, int(count)) for name, count in stores if 'each_kernel' in name]
    assert ours, output
    assert not [pair for pair in ours if pair[1]]


def run(command, folder, **environ):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


@needs_nvcc
def test_everything_builds_and_loads_without_a_gpu(tmp_path):
    temp, lib = tmp_path / 'temp', tmp_path / 'lib'
    switches = dict(
        MMWSSS_WITH_OPS='1',
        FORCE_CUDA='1',
        TORCH_CUDA_ARCH_LIST='9.0',
        MAX_JOBS=str(os.cpu_count()),
    )
    folders = ['--build-temp', str(temp), '--build-lib', str(lib)]
    run(['setup.py', '-q', 'build', *folders], ROOT, **switches)
    record = json.loads((lib / 'mmwsss' / _build.RECORD.name).read_text())
    assert record['cuda_version'] is not None
    run(['-c', CHECK_OPS], tmp_path, PYTHONPATH=str(lib), MMWSSS_WITH_OPS='1')


def test_home_of_a_wrapped_nvcc(tmp_path, monkeypatch):
    """A script on the path in place of nvcc, with no toolkit around it."""
    toolkit = tmp_path / 'opt' / 'cuda'
    (toolkit / 'bin').mkdir(parents=True)
    wrapper = tmp_path / 'bin' / 'nvcc'
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\necho "#\\$ _SPACE_= " >&2\necho "#\\$ TOP={toolkit}/bin/.." >&2\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv('PATH', f'{wrapper.parent}:{os.environ["PATH"]}')
    monkeypatch.setattr('torch.utils.cpp_extension.CUDA_HOME', str(tmp_path))
    assert _build.cuda_home() == toolkit
    (tmp_path / 'include').mkdir()
    (tmp_path / 'include' / 'cuda_runtime.h').touch()
    assert _build.cuda_home() == tmp_path


def test_no_toolkit(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr('torch.utils.cpp_extension.CUDA_HOME', None)
    monkeypatch.setenv('FORCE_CUDA', '1')
    assert _build.cuda_home() is None
    with pytest.raises(OSError, match='CUDA_HOME'):
        _build.use_cuda_home()
