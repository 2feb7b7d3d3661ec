# Licensed under Apache-2.0.
"""The CUDA code of PAR, compiled for the CPU, against the form in PyTorch.

Its kernels are functors that compute one element of the output each; without
nvcc the same source runs them in a loop. That checks all but the launch.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from mmwsss.ops import _fallback
from mmwsss.ops._rings import ring_offsets

SOURCE = Path(__file__).parent / 'csrc' / 'par_cuda_on_cpu.cpp'
COMMON = Path(_fallback.__file__).parents[1] / 'csrc' / 'common'
DILATIONS = (1, 2, 4, 8, 12, 24)
TOLERANCE = {torch.float32: 5e-6, torch.float64: 1e-12}
DTYPES = list(TOLERANCE)


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    compiler = shutil.which('g++')
    if compiler is None:
        pytest.skip('needs g++ to compile the CUDA code for the CPU')
    file = tmp_path_factory.mktemp('cuda_on_cpu') / 'par.so'
    flags = ['-std=c++17', '-O2', '-ffp-contract=off', '-Wall', '-Werror']
    include = [f'-I{COMMON}', f'-I{COMMON / "cuda"}']
    command = [compiler, *flags, '-shared', '-fPIC', *include, str(SOURCE)]
    subprocess.run([*command, '-o', str(file)], check=True, timeout=120)
    return ctypes.CDLL(str(file))


def call(library, name, tensors, integers, numbers, reals=()):
    """``name_float`` or ``name_double``: pointers, sizes, a list, scalars."""
    suffix = 'float' if tensors[0].dtype == torch.float32 else 'double'
    function = getattr(library, f'{name}_{suffix}')
    *sizes, height, width = integers
    array = (ctypes.c_int64 * len(numbers))(*numbers)
    arguments = [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]
    arguments += map(ctypes.c_int64, sizes)
    arguments += [ctypes.c_int(height), ctypes.c_int(width), array]
    assert function(*arguments, *reals) == 0


def affinity_of(library, image, dilations, w1=0.3, w2=0.01):
    batch, _, height, width = image.shape
    result = image.new_full((batch, 8 * len(dilations), height, width), torch.nan)
    tensors = image, torch.empty_like(image), result
    reals = (
        ctypes.c_int64(len(dilations)),
        ctypes.c_double(w1),
        ctypes.c_double(w2),
    )
    call(library, 'par_affinity', tensors, image.shape, dilations, reals)
    return result


def propagated(library, weights, maps, offsets, num_iters):
    result = torch.full_like(maps, torch.nan)
    tensors = weights, maps, torch.full_like(maps, torch.nan), result
    batch, channels, height, width = maps.shape
    sizes = batch, channels, weights.shape[1], height, width
    reals = (ctypes.c_int64(num_iters),)
    call(library, 'propagate', tensors, sizes, offsets, reals)
    return result


def rand(*shape, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=TOLERANCE[actual.dtype], rtol=0)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('channels', [1, 3, 21, 81])
@pytest.mark.parametrize('size', [(1, 1), (7, 13), (31, 29)])
def test_par(library, dtype, channels, size):
    image = rand(2, 3, *size, dtype=dtype)
    maps = rand(2, channels, *size, dtype=dtype, seed=1)
    affinity = affinity_of(library, image, DILATIONS)
    close(affinity, _fallback.par_affinity(image, DILATIONS, 0.3, 0.01))
    offsets = ring_offsets(DILATIONS)
    result = propagated(library, affinity, maps, offsets, 10)
    close(result, _fallback.propagate(affinity, maps, offsets, 10))


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('channels', [1, 2, 5])
def test_affinity_parameters(library, dtype, channels):
    image = 255 * rand(1, channels, 9, 17, dtype=dtype)
    image[..., :5] = 128  # a flat region: the deviation is 0
    for dilations in ((1,), (3, 100), (1, 2, 3, 400)):
        result = affinity_of(library, image, dilations, 0.5, 0.2)
        close(result, _fallback.par_affinity(image, dilations, 0.5, 0.2))


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('num_iters', [1, 2, 3])
def test_any_offsets(library, dtype, num_iters):
    offsets = [0, 0, -40, 3, 5, -30, 1, 1, 60, -60]
    weights = rand(3, 5, 11, 6, dtype=dtype) / 5
    maps = rand(3, 9, 11, 6, dtype=dtype, seed=1)
    result = propagated(library, weights, maps, offsets, num_iters)
    close(result, _fallback.propagate(weights, maps, offsets, num_iters))


@pytest.mark.parametrize('neighbours', [128, 129, 300])
def test_more_neighbours_than_one_launch_takes(library, neighbours):
    generator = torch.Generator().manual_seed(2)
    offsets = torch.randint(-9, 10, (2 * neighbours,), generator=generator).tolist()
    weights = rand(2, neighbours, 5, 8, dtype=torch.float64) / neighbours
    maps = rand(2, 3, 5, 8, dtype=torch.float64, seed=1)
    result = propagated(library, weights, maps, offsets, 3)
    close(result, _fallback.propagate(weights, maps, offsets, 3))
