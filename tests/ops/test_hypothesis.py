# Licensed under Apache-2.0.
"""Every operator on drawn inputs of all sizes and types: what must hold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    PAR,
    PermutohedralLattice,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    gaussian_filter,
    par,
    par_affinity,
    par_propagate,
    prob_from_cam,
    unary_from_cam,
    unary_from_labels,
    unary_from_prob,
)

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
sigmas = st.floats(0.5, 200.0)
weights = st.floats(-5.0, 20.0)
dilations = st.lists(st.sampled_from((1, 2, 4, 24, 300)), min_size=1, max_size=3)
modes = st.sampled_from(('lattice', 'exact'))


@dataclass
class Drawn:
    """Inputs of one size.

    Attributes:
        image: (B, 3, H, W), uint8 or floating, 0..255.
        values: (B, C, H, W).
        generator: For whatever else is needed.
    """

    image: torch.Tensor
    values: torch.Tensor
    generator: torch.Generator

    @property
    def prob(self):
        return self.values.to(result_type(self.values)).softmax(dim=1)

    def shuffled(self):
        """An order of the channels."""
        return torch.randperm(self.values.shape[1], generator=self.generator)


@st.composite
def inputs(draw):
    """Small ones of all kinds: flat, two-coloured, noisy, of every dtype."""
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 9999)))
    image = torch.rand(batch, 3, *size, generator=generator)
    kind = draw(st.sampled_from(('noise', 'flat', 'two colours')))
    image = {'noise': image, 'flat': image * 0 + 0.5, 'two colours': image.round()}[
        kind
    ]
    image = (image * 255).to(draw(st.sampled_from((torch.uint8, *FLOATS))))
    values = torch.randn(batch, channels, *size, generator=generator)
    values = values * draw(st.sampled_from((0.0, 1e-6, 1.0, 30.0)))
    return Drawn(image, values.to(draw(st.sampled_from(FLOATS))), generator)


def result_type(*tensors):
    wide = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if wide else torch.float32


def close(result, expected, scale=1.0):
    """Equal but for roundings of values as large as ``scale``."""
    assert result.shape == expected.shape
    torch.testing.assert_close(
        result.double(), expected.double(), rtol=1e-4, atol=2e-5 * (float(scale) + 1)
    )


def sound(result, shape, dtype=torch.float32):
    assert result.shape == torch.Size(shape)
    assert result.dtype == dtype
    assert result.isfinite().all()


def alone(function, *tensors):
    """The function on each image of the batch by itself."""
    pairs = zip(*(tensor.split(1) for tensor in tensors), strict=True)
    return torch.cat([function(*pair) for pair in pairs])


class TestPar:
    @few
    @given(inputs(), dilations, st.floats(0.05, 5.0), st.floats(0.0, 10.0))
    def test_affinity(self, drawn, rings, w1, w2):
        image = drawn.image
        result = par_affinity(image, rings, w1, w2)
        size = len(image), 8 * len(rings), *image.shape[-2:]
        sound(result, size, result_type(image))
        assert (result >= 0).all()
        total = result.sum(dim=1)
        torch.testing.assert_close(total, torch.full_like(total, 1 + w2))
        single = alone(lambda one: par_affinity(one, rings, w1, w2), image)
        assert torch.equal(result, single)

    @few
    @given(inputs(), dilations, st.integers(0, 4))
    def test_propagate(self, drawn, rings, num_iters):
        values = drawn.values
        affinity = par_affinity(drawn.image, rings)
        result = par_propagate(affinity, values, rings, num_iters)
        sound(result, values.shape, result_type(affinity, values))
        double = par_propagate(affinity, values.double() * 2 + 1, rings, num_iters)
        scale = values.abs().max()
        close(double, 2 * result.double() + 1.01**num_iters, scale)
        order = drawn.shuffled()
        moved = par_propagate(affinity, values[:, order], rings, num_iters)
        assert torch.equal(moved, result[:, order])

    @few
    @given(inputs(), dilations, st.integers(0, 3), st.booleans())
    def test_par(self, drawn, rings, num_iters, small):
        image, masks = drawn.image, drawn.values
        if small:
            masks = masks[..., :1, :1]
        result = PAR(rings, num_iters)(image, masks)
        sound(result, (*masks.shape[:2], *image.shape[-2:]), result_type(image, masks))
        single = alone(lambda a, b: par(a, b, rings, num_iters), image, masks)
        assert torch.equal(result, single)
        assert result.abs().max() <= 1.02**num_iters * masks.abs().max() + 1e-6


class TestFilters:
    @few
    @given(inputs(), sigmas, st.floats(2.0, 100.0), modes)
    def test_bilateral(self, drawn, sigma_xy, sigma_rgb, mode):
        def run(image, values):
            return bilateral_filter(image, values, sigma_xy, sigma_rgb, mode)

        self.check(run, drawn)

    @few
    @given(inputs(), sigmas, modes)
    def test_gaussian(self, drawn, sigma_xy, mode):
        self.check(lambda _, values: gaussian_filter(values, sigma_xy, mode), drawn)

    @staticmethod
    def check(run, drawn):
        image, values = drawn.image, drawn.values
        result = run(image, values)
        sound(result, values.shape, result_type(values))
        assert (run(image, values.abs()) >= 0).all()
        scale = values.abs().max() * values[0, 0].numel()
        close(run(image, 3 * values.double()), 3 * result.double(), scale)
        order = drawn.shuffled()
        close(run(image, values[:, order]), result[:, order], scale)
        close(alone(run, image, values), result, scale)

    @few
    @given(
        st.integers(1, 11), st.integers(1, 2), st.integers(1, 30),
        st.integers(1, 9), st.floats(0.0, 2.0), st.sampled_from(FLOATS),
    )  # fmt: skip
    def test_lattice(self, dim, batch, pixels, channels, spread, dtype):
        generator = torch.Generator().manual_seed(dim)
        # With 9 dimensions and more, only small ranges fit the keys.
        spread = spread if dim < 9 else 0.0
        features = torch.randn(batch, dim, pixels, generator=generator) * spread
        lattice = PermutohedralLattice.build(features)
        assert lattice.num_pixels == batch * pixels
        entries = batch * (pixels + (pixels % 4 > 0)) * (dim + 1)
        assert 1 <= lattice.num_vertices <= entries == len(lattice.splat_pixels)
        rows = torch.randn(batch * pixels, channels, generator=generator).to(dtype)
        result = lattice.filter(rows)
        sound(result, rows.shape, result_type(rows))
        close(lattice.filter(-2 * rows.double()), -2 * result.double(), pixels)
        worst = PermutohedralLattice.build(features, exact_size=False)
        close(worst.filter(rows), result, pixels)
        ones = lattice.filter(torch.ones(batch * pixels, 1))
        assert (ones > 0).all()


class TestEnergy:
    @few
    @given(inputs(), sigmas, sigmas, st.sampled_from((0.5, 1.0)), st.booleans(), modes)
    def test_energy(self, drawn, sigma_rgb, sigma_xy, scale_factor, exact_grad, mode):
        image, prob = drawn.image, drawn.prob
        if min(image.shape[-2:]) * scale_factor < 1:
            scale_factor = 1.0
        unlabelled = torch.rand(prob[:, 0].shape, generator=drawn.generator) < 0.5
        roi = (torch.rand(prob[:, 0].shape, generator=drawn.generator) < 0.7).float()

        def run(image, prob, roi, unlabelled):
            rest = sigma_rgb, sigma_xy, scale_factor, exact_grad, mode
            return dense_energy(image, prob, roi, unlabelled, *rest)

        leaf = prob.clone().requires_grad_()
        energy = run(image, leaf, roi, unlabelled)
        (grad,) = torch.autograd.grad(energy, leaf)
        sound(energy.detach(), (), prob.dtype)
        sound(grad, prob.shape, prob.dtype)
        assert energy <= 0
        if not exact_grad:
            assert (grad <= 0).all()
        others = image, prob[:, drawn.shuffled()], roi, unlabelled
        close(run(*others), energy.detach(), energy.detach().abs())
        parts = alone(lambda *one: run(*one)[None], image, prob, roi, unlabelled)
        close(parts.mean(), energy.detach(), energy.detach().abs())
        assert run(image, prob, roi * 0, unlabelled) == 0


@st.composite
def crf_settings(draw):
    """Deviations for all axes or each, weights as number, vector or matrix."""
    pairs = st.tuples(sigmas, sigmas)
    colours = st.floats(2.0, 100.0)
    return dict(
        pos_xy_std=draw(st.one_of(sigmas, pairs)),
        pos_w=draw(weights),
        bi_xy_std=draw(st.one_of(sigmas, pairs)),
        bi_rgb_std=draw(st.one_of(colours, st.tuples(colours, colours, colours))),
        bi_w=draw(weights),
        iter_max=draw(st.integers(0, 3)),
        mode=draw(modes),
    )


class TestDenseCRF:
    @few
    @given(inputs(), crf_settings(), st.sampled_from(('number', 'vector', 'matrix')))
    def test_marginals(self, drawn, params, compat):
        image, unary, labels = drawn.image, drawn.values, drawn.values.shape[1]
        order = drawn.shuffled()
        moved = dict(params)
        if compat == 'vector':
            params['bi_w'] = torch.rand(labels, generator=drawn.generator) * 5
            moved['bi_w'] = params['bi_w'][order]
        elif compat == 'matrix':
            params['bi_w'] = torch.rand(labels, labels, generator=drawn.generator) * 5
            moved['bi_w'] = params['bi_w'][order][:, order]
        result = dense_crf(image, unary, **params)
        self.check(result, unary.shape, result_type(unary))
        close(dense_crf(image, unary[:, order], **moved), result[:, order], 100)
        # The image decides which lattice, the rest of the batch never does.
        single = alone(lambda *one: dense_crf(*one, **params), image, unary)
        assert torch.equal(single, result)
        if labels == 1:
            assert torch.equal(result, torch.ones_like(result))

    @few
    @given(inputs(), crf_settings())
    def test_a_number_is_a_vector_is_a_matrix(self, drawn, params):
        labels, weight = drawn.values.shape[1], params['pos_w']
        vector = torch.full((labels,), weight)
        matrix = weight * (1 - torch.eye(labels))
        unary = drawn.values.double()
        number, *others = (
            dense_crf(drawn.image, unary, **(params | dict(pos_w=given)))
            for given in (weight, vector, matrix)
        )
        for other in others:
            close(other, number, 100)

    @few
    @given(inputs(), crf_settings(), st.integers(1, 4))
    def test_further_terms(self, drawn, params, dim):
        size = len(drawn.image), dim, *drawn.image.shape[-2:]
        features = torch.randn(size, generator=drawn.generator)
        unary = drawn.values
        result = dense_crf(drawn.image, unary, extra_terms=[(features, 3.0)], **params)
        self.check(result, unary.shape, result_type(unary))
        without = dense_crf(drawn.image, unary, extra_terms=[(features, 0)], **params)
        assert torch.equal(without, dense_crf(drawn.image, unary, **params))

    @few
    @given(inputs(), inputs(), crf_settings())
    def test_list(self, first, second, params):
        images = [*first.image, *second.image]
        unary = [*first.values, *second.values]
        results = dense_crf(images, unary, **params)
        for image, energy, result in zip(images, unary, results, strict=True):
            assert torch.equal(
                result, dense_crf(image[None], energy[None], **params)[0]
            )

    @few
    @given(inputs(), crf_settings(), st.integers(1, 30), st.floats(0.05, 0.95))
    def test_labels(self, drawn, params, num_labels, confidence):
        size = drawn.values[:, 0].shape
        labels = torch.randint(0, num_labels, size, generator=drawn.generator)
        both = [
            dense_crf_labels(
                drawn.image, labels, num_labels, confidence, collapse=flag, **params
            )
            for flag in (True, False)
        ]
        self.check(both[0], (len(size) and size[0], num_labels, *size[1:]))
        close(*both, 10)

    @few
    @given(inputs(), st.floats(0.5, 40.0), st.integers(1, 9), st.floats(0.01, 0.99))
    def test_unaries(self, drawn, alpha, num_labels, confidence):
        params = DENSE_CRF_PRESETS['toco_cam']
        cam = drawn.values.abs().clamp(max=1)
        shape = len(cam), cam.shape[1] + 1, *cam.shape[-2:]
        sound(prob_from_cam(cam, alpha), shape, result_type(cam))
        labels = (cam[:, 0] * 1e4).long() % num_labels
        unaries = [
            unary_from_cam(cam, alpha),
            unary_from_prob(drawn.prob),
            unary_from_labels(labels, num_labels, confidence),
        ]
        for unary in unaries:
            assert unary.isfinite().all()
            assert (unary >= 0).all()
            marginals = dense_crf(drawn.image, unary, **params)
            self.check(marginals, unary.shape, unary.dtype)

    @staticmethod
    def check(marginals, shape, dtype=torch.float32):
        sound(marginals, shape, dtype)
        assert (marginals >= 0).all()
        total = marginals.sum(dim=1)
        torch.testing.assert_close(total, torch.ones_like(total), atol=2e-5, rtol=0)
