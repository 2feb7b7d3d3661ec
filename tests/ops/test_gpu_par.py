# Licensed under Apache-2.0.
"""PAR and random walks on a GPU against themselves on the CPU."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import (
    par,
    par_affinity,
    par_propagate,
    path_affinity,
    python_forms,
    random_walk,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
TOLERANCE = {torch.float32: 5e-6, torch.float64: 1e-12}


def data(batch=2, channels=3, height=40, width=36, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, height, width, generator=generator)
    masks = torch.rand(batch, channels, height, width, generator=generator)
    return image.to(dtype), masks.to(dtype)


def close(result, expected):
    assert result.is_cuda
    torch.testing.assert_close(
        result.cpu(), expected, atol=TOLERANCE[expected.dtype], rtol=0
    )


@pytest.mark.parametrize('dtype', list(TOLERANCE))
@pytest.mark.parametrize('channels', [1, 3, 21, 81])
@pytest.mark.parametrize('size', [(1, 1), (7, 13), (64, 48), (131, 97)])
def test_parity(size, channels, dtype):
    image, masks = data(2, channels, *size, dtype=dtype)
    affinity = par_affinity(image)
    close(par_affinity(image.cuda()), affinity)
    close(par_propagate(affinity.cuda(), masks.cuda()), par_propagate(affinity, masks))


@pytest.mark.parametrize('batch', [1, 2, 5])
def test_batch(batch):
    image, masks = data(batch, 4)
    close(par(image.cuda(), masks.cuda()), par(image, masks))


def test_same_as_in_pytorch():
    image, masks = (tensor.cuda() for tensor in data(channels=21))
    with python_forms():
        expected = par(image, masks)
    torch.testing.assert_close(par(image, masks), expected, atol=5e-6, rtol=0)


def test_non_contiguous():
    views = [t.cuda().transpose(2, 3).contiguous().transpose(2, 3) for t in data()]
    assert not views[0].is_contiguous()
    close(par(*views), par(*data()))


def test_half_input():
    image, masks = (tensor.cuda().half() for tensor in data())
    expected = par(image.float(), masks.float())
    with torch.autocast('cuda', dtype=torch.float16):
        result = par(image, masks)
    assert result.dtype == torch.float32
    assert torch.equal(result, expected)


def test_side_stream():
    image, masks = data(2, 21, 224, 224)
    expected = par(image, masks)
    image, masks = image.pin_memory(), masks.pin_memory()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        # Work of the stream comes first: another stream would read it too early.
        torch.cuda._sleep(10_000_000)
        inputs = image.cuda(non_blocking=True), masks.cuda(non_blocking=True)
        result = par(*inputs)
    stream.synchronize()
    close(result, expected)


def test_no_host_sync():
    image, masks = (tensor.cuda() for tensor in data())
    par(image, masks)
    torch.cuda.set_sync_debug_mode('error')
    try:
        par(image, masks)
    finally:
        torch.cuda.set_sync_debug_mode('default')


def test_same_bits_in_every_run():
    image, masks = (tensor.cuda() for tensor in data(2, 21, 131, 97))
    first = par(image, masks)
    assert all(torch.equal(par(image, masks), first) for _ in range(3))


def test_memory():
    image, masks = (tensor.cuda() for tensor in data(2, 21, 224, 224))
    par(image, masks)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    par(image, masks)
    assert torch.cuda.max_memory_allocated() - before <= 40e6


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two CUDA devices')
def test_second_device():
    image, masks = data()
    result = par(image.to('cuda:1'), masks.to('cuda:1'))
    assert result.device == torch.device('cuda:1')
    assert torch.cuda.current_device() == 0
    close(result, par(image, masks))


def test_gradient():
    image, masks = data(dtype=torch.float64)
    affinity = par_affinity(image)
    grads = []
    for device in ('cpu', 'cuda'):
        leaves = [t.to(device).requires_grad_() for t in (affinity, masks)]
        par_propagate(*leaves, num_iters=3).square().sum().backward()
        grads.append([leaf.grad.cpu() for leaf in leaves])
    torch.testing.assert_close(*grads, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize('radius', [1, 5, 8])  # up to 193 neighbours: two launches
def test_random_walk(radius):
    generator = torch.Generator().manual_seed(0)
    cam = torch.rand(2, 5, 33, 29, generator=generator, dtype=torch.float64)
    edge = torch.rand(2, 33, 29, generator=generator, dtype=torch.float64)
    affinity = path_affinity(edge, radius)
    close(path_affinity(edge.cuda(), radius), affinity)
    close(random_walk(cam.cuda(), edge.cuda(), radius), random_walk(cam, edge, radius))
