# Licensed under Apache-2.0.
from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    collapse_labels,
    dense_crf,
    dense_crf_labels,
    prob_from_cam,
    unary_from_cam,
    unary_from_labels,
    unary_from_prob,
)

PSA = DENSE_CRF_PRESETS['psa']


def data(batch=2, labels=3, height=10, width=9, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (batch, 3, height, width), generator=generator)
    prob = torch.rand(batch, labels, height, width, generator=generator)
    return image.byte(), prob / prob.sum(dim=1, keepdim=True)


def written_out(image, unary, params):
    """Mean field with dense matrices in float64, one image."""
    _, labels, height, width = unary.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    position = torch.stack([x, y]).flatten(1).t().double()
    colour = image[0].flatten(1).t().double()

    def kernel(points):
        distance = (points[:, None] - points[None]).square().sum(-1)
        matrix = (-distance / 2).exp()
        norm = matrix.sum(dim=1).rsqrt()
        return norm[:, None] * matrix * norm[None]

    matrix = params['pos_w'] * kernel(position / params['pos_xy_std'])
    matrix += params['bi_w'] * kernel(
        torch.cat(
            [position / params['bi_xy_std'], colour / params['bi_rgb_std']], dim=1
        )
    )
    energy = unary[0].flatten(1).double()
    marginals = (-energy).softmax(dim=0)
    for _ in range(params['iter_max']):
        marginals = (-energy + marginals @ matrix).softmax(dim=0)
    return marginals.view(1, labels, height, width)


class TestSmoke:
    @pytest.mark.parametrize('preset', DENSE_CRF_PRESETS)
    def test_presets(self, preset):
        image, prob = data()
        result = dense_crf(image, unary_from_prob(prob), **DENSE_CRF_PRESETS[preset])
        assert result.shape == prob.shape
        assert result.dtype == torch.float32
        torch.testing.assert_close(result.sum(dim=1), torch.ones(2, 10, 9))

    def test_leaves_the_input_alone(self):
        image, prob = data(1, 1)
        unary = unary_from_prob(prob)
        copies = image.clone(), unary.clone()
        dense_crf(image, unary, **PSA)
        assert torch.equal(image, copies[0])
        assert torch.equal(unary, copies[1])

    def test_presets_cannot_be_changed(self):
        with pytest.raises(TypeError):
            PSA['bi_w'] = 3


class TestBadInput:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (dict(images=torch.rand(3, 10, 9)), r'\(B, C, H, W\)'),
            (dict(images=torch.ones(2, 3, 10, 9, dtype=torch.int64)), 'int64'),
            (dict(images=torch.rand(2, 3, 10, 8)), 'same size'),
            (dict(unary=torch.rand(1, 3, 10, 9)), 'batch size 1'),
            (dict(unary=torch.rand(2, 0, 10, 9)), 'empty'),
            (dict(unary=torch.full((2, 3, 10, 9), torch.inf)), 'infinite'),
            (dict(pos_xy_std=0.0), 'pos_xy_std'),
            (dict(bi_xy_std=-1.0), 'bi_xy_std'),
            (dict(bi_rgb_std=float('nan')), 'bi_rgb_std'),
            (dict(bi_rgb_std=1e-3), 'bits'),
            (dict(pos_w=float('nan')), 'pos_w'),
            (dict(iter_max=-1), 'iter_max'),
            (dict(iter_max=10.0), 'iter_max'),
            (dict(mode='fast'), "'fast'"),
            (dict(multiplicity=torch.ones(2)), 'multiplicity'),
            (dict(multiplicity=torch.zeros(3)), 'multiplicity'),
        ],
    )
    def test_rejected(self, change, message):
        image, prob = data()
        kwargs = dict(images=image, unary=unary_from_prob(prob), **PSA)
        with pytest.raises(ValueError, match=message):
            dense_crf(**(kwargs | change))

    @pytest.mark.parametrize(
        ('function', 'args', 'message'),
        [
            (unary_from_prob, (torch.full((1, 2, 3, 3), -0.1),), '-0.1'),
            (unary_from_prob, (torch.full((1, 2, 3, 3), torch.nan),), 'NaN'),
            (unary_from_prob, (torch.rand(2, 3, 3),), r'\(B, C, H, W\)'),
            (prob_from_cam, (torch.full((1, 2, 3, 3), 1.5), 4.0), '1.5'),
            (prob_from_cam, (torch.rand(1, 2, 3, 3), 0.0), 'alpha'),
            (unary_from_labels, (torch.zeros(1, 3, 3), 2), 'integers'),
            (unary_from_labels, (torch.zeros(3, 3).long(), 2), r'\(B, H, W\)'),
            (unary_from_labels, (torch.full((1, 3, 3), 255), 21), '255'),
            (unary_from_labels, (torch.full((1, 3, 3), -1), 21), '-1'),
            (unary_from_labels, (torch.zeros(1, 3, 3).long(), 0), 'num_labels'),
            (unary_from_labels, (torch.zeros(1, 3, 3).long(), 2, 1.0), 'confidence'),
            (collapse_labels, (torch.full((1, 3, 3), 7), 7), '7'),
        ],
    )
    def test_unaries(self, function, args, message):
        with pytest.raises(ValueError, match=message):
            function(*args)


class TestShapes:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    @pytest.mark.parametrize('size', [(1, 1), (1, 8), (12, 7)])
    @pytest.mark.parametrize('labels', [1, 2, 21])
    def test_sizes(self, mode, size, labels):
        image, prob = data(2, labels, *size)
        result = dense_crf(image, unary_from_prob(prob), mode=mode, **PSA)
        assert result.shape == prob.shape
        assert torch.isfinite(result).all()

    def test_float64(self):
        image, prob = data()
        unary = unary_from_prob(prob)
        result = dense_crf(image, unary.double(), **PSA)
        assert result.dtype == torch.float64
        torch.testing.assert_close(
            result.float(), dense_crf(image, unary, **PSA), atol=1e-5, rtol=0
        )


class TestValues:
    @pytest.mark.parametrize('preset', ['toco_seg', 'psa', 'semformer_pseudo'])
    def test_exact_mode_is_the_definition(self, preset):
        image, prob = data(1)
        params = DENSE_CRF_PRESETS[preset]
        unary = unary_from_prob(prob)
        expected = written_out(image, unary, params)
        result = dense_crf(image, unary.double(), mode='exact', **params)
        torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)

    def test_no_update_is_the_softmax(self):
        image, prob = data()
        result = dense_crf(image, unary_from_prob(prob), **dict(PSA, iter_max=0))
        torch.testing.assert_close(result, prob)

    def test_batch_is_independent(self):
        image, prob = data()
        unary = unary_from_prob(prob)
        alone = [dense_crf(image[i : i + 1], unary[i : i + 1], **PSA) for i in (0, 1)]
        assert torch.equal(dense_crf(image, unary, **PSA), torch.cat(alone))

    def test_deterministic(self):
        image, prob = data(1, 21, 30, 20)
        unary = unary_from_prob(prob)
        results = [dense_crf(image, unary, **PSA) for _ in range(3)]
        assert all(torch.equal(results[0], other) for other in results[1:])

    def test_cleans_a_noisy_label(self):
        """A lonely wrong pixel in a uniform square takes its neighbours' label."""
        image = torch.zeros(1, 3, 16, 16)
        image[:, :, 4:12, 4:12] = 255
        labels = (image[:, 0] > 0).long()
        noisy = labels.clone()
        noisy[0, 8, 8] = 0
        result = dense_crf_labels(image, noisy, 2, **DENSE_CRF_PRESETS['irn'])
        assert torch.equal(result.argmax(dim=1), labels)

    def test_unaries(self):
        prob = torch.tensor([0.0, 1e-6, 0.5, 2.0]).view(1, 4, 1, 1)
        expected = torch.tensor([1e-5, 1e-5, 0.5, 1.0]).log().neg()
        torch.testing.assert_close(unary_from_prob(prob).flatten(), expected)
        cam = torch.tensor([0.25, 0.5]).view(1, 2, 1, 1)
        torch.testing.assert_close(
            prob_from_cam(cam, 4.0).flatten(), torch.tensor([0.0625, 0.25, 0.5])
        )
        assert torch.equal(
            unary_from_cam(cam, 4.0), unary_from_prob(prob_from_cam(cam, 4.0))
        )
        unary = unary_from_labels(torch.tensor([[[2]]]), 4, 0.7).flatten()
        other = -math.log(0.3 / 3)
        expected = torch.tensor([other, other, -math.log(0.7), other])
        torch.testing.assert_close(unary, expected)
        assert torch.isfinite(unary_from_labels(torch.tensor([[[0]]]), 1)).all()

    def test_collapsed_labels(self):
        rows = collapse_labels(torch.tensor([[[5, 0], [5, 2]]]), 7)
        assert rows.labels.tolist() == [[[2, 0], [2, 1]]]
        assert rows.row_of_label.tolist() == [0, 3, 1, 3, 3, 2, 3]
        assert rows.multiplicity.tolist() == [1, 1, 1, 4]
        rows = collapse_labels(torch.tensor([[[1, 0]]]), 2)
        assert rows.multiplicity.tolist() == [1, 1]

    @settings(max_examples=15, deadline=None)
    @given(
        num_labels=st.integers(1, 12),
        height=st.integers(1, 8),
        width=st.integers(1, 8),
        seed=st.integers(0, 999),
    )
    def test_collapse_is_exact(self, num_labels, height, width, seed):
        image, _ = data(2, 1, height, width, seed)
        generator = torch.Generator().manual_seed(seed)
        labels = torch.randint(0, num_labels, (2, height, width), generator=generator)
        params = DENSE_CRF_PRESETS['irn']
        results = [
            dense_crf_labels(image, labels, num_labels, collapse=flag, **params)
            for flag in (True, False)
        ]
        assert results[0].shape == (2, num_labels, height, width)
        torch.testing.assert_close(*results, atol=2e-5, rtol=0)


class TestGradient:
    def test_inference_only(self):
        """The CRF is a post-processor: no graph, also for leaves."""
        image, prob = data()
        unary = unary_from_prob(prob).requires_grad_()
        assert not dense_crf(image, unary, **PSA).requires_grad

    def test_unary_gradcheck(self):
        _, prob = data(1, 2, 3, 3)
        prob = prob.double().clamp(0.1, 0.9).requires_grad_()
        assert torch.autograd.gradcheck(unary_from_prob, prob)
        assert torch.autograd.gradcheck(lambda cam: unary_from_cam(cam, 4.0), prob)


class TestCompiledAndAmp:
    def test_compiled(self):
        image, prob = data()

        def refine(image, prob):
            return dense_crf(image, unary_from_prob(prob), **PSA)

        compiled = torch.compile(refine, backend='aot_eager')
        torch.testing.assert_close(compiled(image, prob), refine(image, prob))

    def test_half_inputs_are_computed_in_float32(self):
        image, prob = data()
        half = prob.half()
        expected = dense_crf(image, unary_from_prob(half.float()), **PSA)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            result = dense_crf(image, unary_from_prob(half), **PSA)
        assert result.dtype == torch.float32
        assert torch.equal(result, expected)
