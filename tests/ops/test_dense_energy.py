# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import (
    bilateral_filter,
    dense_energy,
    energy_gate,
    gated_energy,
    scale_energy_inputs,
)


def data(batch=2, classes=3, height=12, width=10, seed=0):
    """Image, probabilities, region, unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, height, width, generator=generator) * 255
    logits = torch.randn(batch, classes, height, width, generator=generator)
    roi = torch.zeros(batch, height, width)
    roi[:, : height - height // 4, width // 4 :] = 1
    unlabelled = torch.rand(batch, height, width, generator=generator) > 0.6
    return image, (3 * logits).softmax(dim=1), roi, unlabelled


class TestSmoke:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    @pytest.mark.parametrize('exact_grad', [False, True])
    def test_runs(self, mode, exact_grad):
        image, prob, roi, unlabelled = data()
        prob.requires_grad_()
        energy = dense_energy(
            image, prob, roi, unlabelled, exact_grad=exact_grad, mode=mode
        )
        energy.backward()
        assert energy.shape == ()
        assert energy < 0
        assert torch.isfinite(prob.grad).all()
        assert prob.grad.abs().sum() > 0

    def test_without_region_is_the_whole_crop(self):
        image, prob, roi, unlabelled = data()
        expected = dense_energy(image, prob, torch.ones_like(roi), unlabelled)
        assert torch.equal(dense_energy(image, prob, None, unlabelled), expected)


class TestBadInput:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (dict(image=torch.rand(2, 12, 10)), r'\(B, C, H, W\)'),
            (dict(image=torch.rand(2, 4, 12, 10)), '3 channels'),
            (dict(image=torch.full((2, 3, 12, 10), torch.nan)), 'NaN'),
            (dict(prob=torch.rand(2, 12, 10)), r'\(B, C, H, W\)'),
            (dict(prob=torch.full((1, 2, 12, 10), 0.5)), 'batch size 1'),
            (dict(prob=torch.full((2, 2, 6, 5), 0.5)), 'prob must have batch'),
            (dict(prob=torch.randn(2, 2, 12, 10)), 'softmax'),
            (dict(prob=torch.full((2, 3, 12, 10), 0.5)), 'sum 1'),
            (dict(roi=torch.ones(2, 1, 12, 10)), 'roi must have'),
            (dict(unlabelled=torch.ones(2, 12, 9)), 'unlabelled must have'),
            (dict(sigma_rgb=0.0), 'sigma_rgb'),
            (dict(sigma_xy=float('inf')), 'sigma_xy'),
            (dict(scale_factor=0.0), 'scale_factor'),
            (dict(mode='fast'), "'fast'"),
        ],
    )
    def test_rejected(self, change, message):
        names = ('image', 'prob', 'roi', 'unlabelled')
        kwargs = dict(zip(names, data(), strict=True))
        with pytest.raises(ValueError, match=message):
            dense_energy(**(kwargs | change))


class TestShapes:
    @pytest.mark.parametrize('size', [(2, 2), (13, 9), (8, 20)])
    @pytest.mark.parametrize('scale_factor', [0.5, 1.0])
    @pytest.mark.parametrize('classes', [1, 21])
    def test_sizes(self, size, scale_factor, classes):
        inputs = data(1, classes, *size)
        scaled = scale_energy_inputs(*inputs, scale_factor)
        small = tuple(int(side * scale_factor) for side in size)
        assert scaled.image.shape == (1, 3, *small)
        assert scaled.prob.shape == (1, classes, *small)
        assert scaled.roi.shape == scaled.unlabelled.shape == (1, *small)
        assert scaled.unlabelled.dtype == torch.bool
        assert dense_energy(*inputs, scale_factor=scale_factor).shape == ()

    def test_scale_one_leaves_everything(self):
        inputs = data()
        for before, after in zip(
            inputs, scale_energy_inputs(*inputs, 1.0), strict=True
        ):
            assert torch.equal(before, after)


class TestValues:
    def test_formula_and_published_gradient(self):
        image, prob, roi, unlabelled = data()
        prob.requires_grad_()
        energy = dense_energy(image, prob, roi, unlabelled, 20.0, 30.0, 1.0)
        energy.backward()
        masked = prob.detach() * roi[:, None]
        gate = (roi - prob.detach().amax(dim=1)).clamp(min=0)
        gate[unlabelled] = 1
        gated = bilateral_filter(image, masked, 30.0, 20.0) * gate[:, None]
        torch.testing.assert_close(energy, -(masked * gated).sum() / 2)
        torch.testing.assert_close(prob.grad, -2 * gated * roi[:, None] / 2)

    def test_injected_filter(self):
        masked = torch.rand(2, 3, 4, 4, requires_grad=True)
        gate = torch.rand(2, 4, 4, requires_grad=True)
        filtered = torch.rand(2, 3, 4, 4, requires_grad=True)
        energy = gated_energy(masked, gate, filtered)
        (3 * energy).backward()
        gated = gate[:, None] * filtered
        torch.testing.assert_close(energy, -(masked * gated).sum() / 2)
        torch.testing.assert_close(masked.grad, -3 * gated.detach())
        assert gate.grad is None
        assert filtered.grad is None

    def test_gate(self):
        prob = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1).expand(1, 2, 1, 4)
        roi = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
        unlabelled = torch.tensor([[[False, False, True, True]]])
        expected = torch.tensor([[[0.2, 0.0, 1.0, 1.0]]])
        torch.testing.assert_close(energy_gate(prob, roi, unlabelled), expected)

    def test_both_gradients_belong_to_the_same_energy(self):
        inputs = data()
        energies = [dense_energy(*inputs, exact_grad=flag) for flag in (False, True)]
        torch.testing.assert_close(*energies)

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 999), batch=st.integers(1, 3))
    def test_mean_over_the_batch(self, seed, batch):
        inputs = data(batch, seed=seed)
        alone = [dense_energy(*(t[i : i + 1] for t in inputs)) for i in range(batch)]
        torch.testing.assert_close(dense_energy(*inputs), torch.stack(alone).mean())


class TestGradient:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    def test_exact_grad(self, mode):
        image, prob, roi, unlabelled = data(2, 3, 6, 4)
        logits = prob.double().log().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda x: dense_energy(
                image,
                x.softmax(dim=1),
                roi,
                unlabelled,
                30.0,
                20.0,
                exact_grad=True,
                mode=mode,
            ),
            logits,
        )

    def test_published_grad_is_not_the_derivative(self):
        inputs = data(2, 3, 6, 4)
        gradients = []
        for flag in (False, True):
            prob = inputs[1].clone().requires_grad_()
            dense_energy(inputs[0], prob, *inputs[2:], exact_grad=flag).backward()
            gradients.append(prob.grad)
        assert not torch.allclose(*gradients, rtol=1e-2)

    def test_no_grad_mode(self):
        image, prob, roi, unlabelled = data()
        prob.requires_grad_()
        with torch.no_grad():
            assert not dense_energy(image, prob, roi, unlabelled).requires_grad


class TestCompiledAndAmp:
    def test_compiled(self):
        inputs = data()
        compiled = torch.compile(dense_energy, backend='aot_eager')
        torch.testing.assert_close(compiled(*inputs), dense_energy(*inputs))

    def test_half_inputs_are_computed_in_float32(self):
        image, prob, roi, unlabelled = data()
        prob = prob.half()
        expected = dense_energy(image, prob.float(), roi, unlabelled)
        leaf = prob.clone().requires_grad_()
        with torch.autocast('cpu', dtype=torch.bfloat16):
            energy = dense_energy(image, leaf, roi, unlabelled)
        energy.backward()
        assert energy.dtype == torch.float32
        assert leaf.grad.dtype == torch.float16
        assert torch.equal(energy, expected)
