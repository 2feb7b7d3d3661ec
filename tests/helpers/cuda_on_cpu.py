# Licensed under Apache-2.0.
"""CUDA sources compiled without nvcc: their kernels run as loops on the CPU."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mmwsss.ops import _build

__all__ = ['compile_on_cpu']

COMPILER = os.environ.get('CXX') or shutil.which('g++') or shutil.which('c++')
FLAGS = ('-std=c++17', '-O1', '-ffp-contract=off')
STRICT = ('-Wall', '-Werror', '-Wno-unknown-pragmas', '-fPIC', '-shared')


def compile_on_cpu(source: str, folder: Path) -> ctypes.CDLL:
    """Compile ``tests/ops/csrc/<source>`` into ``folder`` and load it."""
    if COMPILER is None:
        pytest.skip('needs g++ to compile the CUDA code for the CPU')
    path = Path(__file__).parents[1] / 'ops' / 'csrc' / source
    folders = [*_build.own_headers(), _build.CSRC / 'pytorch' / 'cuda']
    include = [f'-I{folder}' for folder in folders]
    file = folder / f'{path.stem}.so'
    more = os.environ.get('CXXFLAGS', '').split()  # -fsanitize=address, say
    command = [COMPILER, *FLAGS, *STRICT, *more, *include, str(path), '-o', str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(file))
