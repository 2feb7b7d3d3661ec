# Licensed under Apache-2.0.
"""The lattice, the energy and the CRF on a GPU against themselves on the CPU."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    PermutohedralLattice,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    gaussian_filter,
    python_forms,
    unary_from_prob,
)
from mmwsss.ops._features import bilateral_features
from tests.helpers.crf_pictures import STORED_SEEDS, stored

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]

# batch, channels, height, width
SIZES = [
    (1, 1, 1, 1),
    (2, 3, 1, 65),
    (2, 5, 33, 31),
    (3, 21, 64, 64),
    (1, 81, 41, 57),
    (1, 21, 375, 500),
]
KINDS = ('smooth', 'noise', 'constant')


def data(size, kind='smooth'):
    batch, channels, height, width = size
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, height, width, generator=generator) * 255
    if kind == 'smooth':
        # Photographs have few colours close to each other.
        image = torch.nn.functional.avg_pool2d(image, 9, 1, 4) * 2 - 127
    elif kind == 'constant':
        image = torch.full_like(image, 90.0)
    image = image.clamp(0, 255).round()
    logits = torch.randn(size, generator=generator)
    return image, (3 * logits).softmax(dim=1)


def on_gpu(function, *tensors, device='cuda', **settings):
    return function(*(t.to(device) for t in tensors), **settings).cpu()


def assert_close(result, expected, tolerance=1e-5):
    scale = float(expected.abs().max())
    torch.testing.assert_close(result, expected, atol=tolerance * scale, rtol=tolerance)


class TestFilter:
    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
    def test_same_values(self, size, kind, dtype):
        image, prob = data(size, kind)
        settings = dict(sigma_xy=30.0, sigma_rgb=13.0)
        # In float64: sums over a plain image are long, and so is their error.
        expected = bilateral_filter(image, prob.double(), **settings).to(dtype)
        prob = prob.to(dtype)
        assert_close(on_gpu(bilateral_filter, image, prob, **settings), expected)
        expected = gaussian_filter(prob.double(), 3.0).to(dtype)
        assert_close(on_gpu(gaussian_filter, prob, sigma_xy=3.0), expected)

    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('exact_size', [True, False])
    def test_same_lattice(self, kind, exact_size):
        image, _ = data((2, 1, 47, 39), kind)
        features = bilateral_features(image, 30.0, 13.0)
        # C++ numbers the vertices otherwise.
        with python_forms():
            expected = PermutohedralLattice.build(features, exact_size)
        result = PermutohedralLattice.build(features.cuda(), exact_size)
        for one, other in zip(result.tensors(), expected.tensors(), strict=True):
            assert torch.equal(one.cpu(), other)

    def test_gradient(self):
        image, prob = data((2, 5, 33, 31))
        grads = []
        for device in ('cpu', 'cuda'):
            leaf = prob.to(device).requires_grad_()
            filtered = bilateral_filter(image.to(device), leaf, 30.0, 13.0)
            filtered.square().sum().backward()
            grads.append(leaf.grad.cpu())
        assert_close(*grads)

    def test_gradcheck(self):
        image, prob = (t.cuda() for t in data((2, 2, 4, 3)))
        values = prob.double().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda v: bilateral_filter(image, v, 3.0, 60.0), values
        )

    def test_non_contiguous(self):
        image, prob = (t.cuda() for t in data((2, 5, 33, 31)))
        views = [t.mT.contiguous().mT for t in (image, prob)]
        expected = bilateral_filter(image, prob, 30.0, 13.0)
        assert torch.equal(bilateral_filter(*views, 30.0, 13.0), expected)

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_inputs(self, dtype):
        image, prob = (t.cuda() for t in data((2, 5, 33, 31)))
        expected = bilateral_filter(image, prob.to(dtype).float(), 30.0, 13.0)
        with torch.autocast('cuda', dtype=dtype):
            result = bilateral_filter(image, prob.to(dtype), 30.0, 13.0)
        assert result.dtype == torch.float32
        assert torch.equal(result, expected)

    @pytest.mark.parametrize('value', [torch.nan, torch.inf])
    def test_non_finite_pixels_give_nan(self, value):
        image, prob = (t.cuda() for t in data((2, 5, 33, 31)))
        image[1, 2, 3, 4] = value
        assert bilateral_filter(image, prob, 30.0, 13.0).isnan().all()

    def test_range_beyond_the_keys(self):
        image, prob = (t.cuda() for t in data((2, 5, 33, 31), 'noise'))
        assert bilateral_filter(image, prob, 5.0, 1e-2).isnan().all()
        with pytest.raises(ValueError, match='bits'):
            PermutohedralLattice.build(bilateral_features(image, 5.0, 1e-2))


class TestEnergy:
    @pytest.mark.parametrize(
        'size', [size for size in SIZES if min(size[2:]) > 1 and size[2] < 300]
    )
    @pytest.mark.parametrize('kind', KINDS)
    def test_same_value_and_gradient_without_host_sync(self, size, kind):
        image, prob = data(size, kind)
        ignored = prob.amax(dim=1) < 0.6
        results = []
        for device in ('cpu', 'cuda'):
            leaf = prob.to(device).requires_grad_()
            inputs = image.to(device), leaf, None, ignored.to(device)
            torch.cuda.set_sync_debug_mode('error')
            try:
                energy = dense_energy(*inputs)
                energy.backward()
            finally:
                torch.cuda.set_sync_debug_mode('default')
            results.append((energy.detach().cpu(), leaf.grad.cpu()))
        for one, other in zip(*results, strict=True):
            assert_close(one, other, 1e-4)

    def test_classes_without_mass(self):
        image, prob = data((2, 21, 64, 64))
        prob[:, 5:] = 0
        prob /= prob.sum(dim=1, keepdim=True)
        ignored = prob.amax(dim=1) < 0.6
        result = on_gpu(dense_energy, image, prob, roi=None, unlabelled=ignored.cuda())
        assert_close(result, dense_energy(image, prob, None, ignored), 1e-4)

    def test_memory(self):
        image, prob = (t.cuda() for t in data((2, 21, 224, 224)))
        ignored = prob.amax(dim=1) < 0.6
        assert extra_memory(dense_energy, image, prob, None, ignored) < 96 << 20


class TestCRF:
    @pytest.mark.parametrize('size', SIZES)
    @pytest.mark.parametrize('kind', KINDS)
    @pytest.mark.parametrize('preset', ['toco_seg', 'psa'])
    def test_same_marginals(self, size, kind, preset):
        image, prob = data(size, kind)
        unary, params = unary_from_prob(prob), DENSE_CRF_PRESETS[preset]
        expected = dense_crf(image, unary, **params)
        result = on_gpu(dense_crf, image, unary, **params)
        assert float((result - expected).abs().max()) <= 1e-3
        same = result.argmax(dim=1) == expected.argmax(dim=1)
        assert float(same.double().mean()) >= 0.9999

    def test_hard_labels_with_absent_classes(self):
        image, prob = data((2, 4, 33, 31))
        params = DENSE_CRF_PRESETS['irn']
        expected = dense_crf_labels(image, prob.argmax(dim=1), 21, **params)
        result = on_gpu(
            dense_crf_labels, image, prob.argmax(dim=1), num_labels=21, **params
        )
        assert float((result - expected).abs().max()) <= 1e-3

    @pytest.mark.parametrize('shape', [(5,), (5, 5)])
    def test_weights_for_each_label(self, shape):
        image, prob = data((2, 5, 33, 31))
        unary, params = unary_from_prob(prob), dict(DENSE_CRF_PRESETS['psa'])
        weights = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        expected = dense_crf(image, unary, **params | dict(bi_w=weights))
        result = dense_crf(
            image.cuda(), unary.cuda(), **params | dict(bi_w=weights.cuda())
        )
        assert float((result.cpu() - expected).abs().max()) <= 1e-3

    def test_half_and_non_contiguous(self):
        image, prob = (t.cuda() for t in data((2, 5, 33, 31)))
        unary, params = unary_from_prob(prob), DENSE_CRF_PRESETS['psa']
        expected = dense_crf(image, unary.half().float(), **params)
        view = unary.half().mT.contiguous().mT
        assert torch.equal(dense_crf(image, view, **params), expected)

    def test_range_beyond_the_keys(self):
        image, prob = (t.cuda() for t in data((1, 3, 33, 31), 'noise'))
        params = dict(DENSE_CRF_PRESETS['psa']) | dict(bi_rgb_std=1e-3)
        with pytest.raises(ValueError, match='bits'):
            dense_crf(image, unary_from_prob(prob), **params)

    @pytest.mark.parametrize('seed', STORED_SEEDS)
    def test_library(self, seed):
        picture, expected = stored(seed)
        params = DENSE_CRF_PRESETS[picture.preset]
        pair = picture.image[None].cuda(), picture.unary[None].cuda()
        result = dense_crf(*pair, **params)[0].cpu()
        assert float((result - expected).abs().max()) <= 1e-5

    def test_memory(self):
        image, prob = (t.cuda() for t in data((1, 21, 375, 500)))
        unary, params = unary_from_prob(prob), DENSE_CRF_PRESETS['toco_seg']
        assert extra_memory(dense_crf, image, unary, **params) < 256 << 20


def extra_memory(function, *args, **settings):
    """Bytes beyond what was there before, at the peak of a first call."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = function(*args, **settings)
    assert torch.isfinite(result).all()
    return torch.cuda.max_memory_allocated() - before


def crf_and_energy(image, prob):
    unary = unary_from_prob(prob)
    result = dense_crf(image, unary, **DENSE_CRF_PRESETS['toco_cam'])
    return result, dense_energy(image, prob, None, prob.amax(dim=1) < 0.6)


class TestEverywhere:
    @pytest.mark.parametrize('kind', KINDS)
    def test_same_bits_in_every_run(self, kind):
        image, prob = (t.cuda() for t in data((3, 21, 64, 65), kind))
        runs = [crf_and_energy(image, prob) for _ in range(3)]
        for other in runs[1:]:
            assert all(torch.equal(*pair) for pair in zip(runs[0], other, strict=True))

    def test_side_stream(self):
        image, prob = (t.cuda() for t in data((2, 21, 64, 65)))
        expected = crf_and_energy(image, prob)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            # Long work first: what runs on another stream would overtake it.
            busy = torch.rand(4096, 4096, device='cuda')
            for _ in range(20):
                busy = busy @ busy / 4096
            late = prob + 0 * busy[0, 0]
            result = crf_and_energy(image, late)
        torch.cuda.current_stream().wait_stream(stream)
        assert all(torch.equal(*pair) for pair in zip(result, expected, strict=True))

    @pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs two GPUs')
    def test_second_device(self):
        tensors = data((2, 5, 33, 31))
        expected = crf_and_energy(*(t.to('cuda:0') for t in tensors))
        result = crf_and_energy(*(t.to('cuda:1') for t in tensors))
        for one, other in zip(result, expected, strict=True):
            assert one.device.index == 1
            assert torch.equal(one.cpu(), other.cpu())
