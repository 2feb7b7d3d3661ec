# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import (
    PAR,
    get_build_info,
    par,
    par_affinity,
    par_propagate,
    python_forms,
)
from mmwsss.ops._rings import ring_offsets

needs_compiled = pytest.mark.skipif(
    not get_build_info()['compiled'], reason='the operators are not compiled'
)


def data(batch=2, channels=3, height=13, width=11, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, height, width, generator=generator).to(dtype)
    masks = torch.rand(batch, channels, height, width, generator=generator)
    return image, masks.softmax(dim=1).to(dtype)


def reference(image, masks, dilations, num_iters, w1=0.3, w2=0.01):
    """The formula written out with a stack of all neighbours."""

    def stack(maps):
        height, width = maps.shape[-2:]
        shifted = []
        for d in dilations:
            padded = F.pad(maps, (d, d, d, d), mode='replicate')
            for y in (0, d, 2 * d):
                for x in (0, d, 2 * d):
                    if (y, x) != (d, d):
                        shifted.append(padded[..., y : y + height, x : x + width])
        return torch.stack(shifted, dim=2)

    neighbours = stack(image)
    deviation = neighbours.std(dim=2, keepdim=True)
    ratio = (neighbours - image[:, :, None]) / (deviation + 1e-8) / w1
    weight = (-(ratio**2)).mean(dim=1).softmax(dim=1)
    ring = [2**0.5, 1, 2**0.5, 1, 1, 2**0.5, 1, 2**0.5]
    distance = torch.tensor([d * r for d in dilations for r in ring]).to(image)
    position = (-((distance / (distance.std() + 1e-8) / w1) ** 2)).softmax(dim=0)
    weight = weight + w2 * position.view(1, -1, 1, 1)
    for _ in range(num_iters):
        masks = (stack(masks) * weight[:, None]).sum(dim=2)
    return masks


class TestSmoke:
    def test_function_and_module_agree(self):
        image, masks = data()
        module = PAR(dilations=(1, 2), num_iters=3, w1=0.5, w2=0.1)
        assert torch.equal(module(image, masks), par(image, masks, (1, 2), 3, 0.5, 0.1))
        assert 'dilations=(1, 2)' in repr(module)
        assert not list(module.parameters())

    def test_leaves_the_input_alone(self):
        image, masks = data()
        copies = image.clone(), masks.clone()
        par(image, masks)
        assert torch.equal(image, copies[0])
        assert torch.equal(masks, copies[1])

    def test_zero_iterations(self):
        image, masks = data()
        assert torch.equal(par(image, masks, num_iters=0), masks)


class TestBadInput:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (dict(image=torch.rand(3, 8, 8)), r'\(B, C, H, W\)'),
            (dict(image=torch.rand(2, 3, 0, 8)), 'empty'),
            (dict(image=torch.ones(2, 3, 8, 8, dtype=torch.int32)), 'int32'),
            (dict(image=torch.full((2, 3, 8, 8), torch.nan)), 'NaN'),
            (dict(masks=torch.rand(2, 8, 8)), r'\(B, C, H, W\)'),
            (dict(masks=torch.rand(1, 2, 8, 8)), 'batch size 1'),
            (dict(masks=torch.full((2, 2, 8, 8), torch.inf)), 'infinite'),
            (dict(masks=torch.ones(2, 2, 8, 8, dtype=torch.uint8)), 'uint8'),
            (dict(dilations=()), 'dilations'),
            (dict(dilations=(1, 0)), 'dilations'),
            (dict(num_iters=-1), 'num_iters'),
            (dict(num_iters=1.5), 'num_iters'),
            (dict(w1=0.0), 'w1'),
            (dict(w2=-1.0), 'w2'),
        ],
    )
    def test_rejected(self, change, message):
        kwargs = dict(image=torch.rand(2, 3, 8, 8), masks=torch.rand(2, 2, 8, 8))
        with pytest.raises(ValueError, match=message):
            par(**(kwargs | change))

    def test_affinity_must_fit(self):
        image, masks = data()
        affinity = par_affinity(image, (1, 2))
        with pytest.raises(ValueError, match='16 neighbours'):
            par_propagate(affinity, masks, (1, 2, 4))
        with pytest.raises(ValueError, match='same size'):
            par_propagate(affinity, masks[..., :-1], (1, 2))


class TestShapes:
    @pytest.mark.parametrize('size', [(12, 10), (1, 1), (1, 9), (56, 48)])
    @pytest.mark.parametrize('channels', [1, 4])
    def test_sizes(self, size, channels):
        image, masks = data(2, channels, *size)
        result = par(image, masks)  # the largest dilation exceeds the image
        assert result.shape == masks.shape
        assert par_affinity(image).shape == (2, 48, *size)
        assert torch.isfinite(result).all()

    def test_resizes_masks(self):
        image, _ = data(height=12, width=10)
        masks = torch.rand(2, 4, 6, 5)
        resized = F.interpolate(masks, (12, 10), mode='bilinear', align_corners=True)
        assert torch.equal(par(image, masks), par(image, resized))

    def test_non_contiguous(self):
        image, masks = data()
        views = [t.transpose(2, 3).contiguous().transpose(2, 3) for t in (image, masks)]
        assert torch.allclose(par(*views), par(image, masks), atol=1e-6)


class TestValues:
    @pytest.mark.parametrize('dilations', [(1,), (1, 3), (1, 2, 4, 8, 12, 24)])
    def test_written_out_formula(self, dilations):
        image, masks = data(dtype=torch.float64)
        expected = reference(image, masks, dilations, 4)
        torch.testing.assert_close(par(image, masks, dilations, 4), expected)

    def test_batch_is_independent(self):
        image, masks = data()
        alone = [par(image[i : i + 1], masks[i : i + 1]) for i in range(2)]
        assert torch.allclose(par(image, masks), torch.cat(alone), atol=1e-6)

    def test_uint8_image(self):
        image = torch.randint(0, 256, (1, 3, 9, 9), dtype=torch.uint8)
        masks = torch.rand(1, 2, 9, 9)
        assert torch.allclose(par(image, masks), par(image.float(), masks))

    @settings(max_examples=20, deadline=None)
    @given(
        height=st.integers(1, 14),
        width=st.integers(1, 14),
        seed=st.integers(0, 999),
        w2=st.sampled_from([0.0, 0.01, 0.5]),
    )
    def test_weights_sum_to_one_plus_w2(self, height, width, seed, w2):
        image, _ = data(1, 1, height, width, seed)
        affinity = par_affinity(image, (1, 4), w2=w2)
        assert (affinity >= 0).all()
        torch.testing.assert_close(
            affinity.sum(dim=1), torch.full((1, height, width), 1 + w2)
        )
        # A constant map is scaled by the sum in each iteration.
        ones = torch.ones(1, 2, height, width)
        torch.testing.assert_close(
            par_propagate(affinity, ones, (1, 4), 3), ones * (1 + w2) ** 3
        )


class TestGradient:
    def test_gradcheck(self):
        image, masks = data(1, 2, 5, 4, dtype=torch.float64)
        affinity = par_affinity(image, (1, 2)).requires_grad_()
        masks.requires_grad_()
        assert torch.autograd.gradcheck(
            lambda a, m: par_propagate(a, m, (1, 2), 2), (affinity, masks)
        )

    def test_affinity_is_a_constant(self):
        image, masks = data()
        assert not par(image.requires_grad_(), masks).requires_grad


class TestCompiledAndAmp:
    def test_fullgraph(self):
        image, masks = data()
        compiled = torch.compile(par, fullgraph=True, backend='aot_eager')
        torch.testing.assert_close(
            compiled(image, masks, (1, 2), 2), par(image, masks, (1, 2), 2)
        )

    @pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
    def test_half_inputs_are_computed_in_float32(self, dtype):
        image, masks = (tensor.to(dtype) for tensor in data())
        expected = par(image.float(), masks.float())
        with torch.autocast('cpu', dtype=torch.bfloat16):
            result = par(image, masks)
        assert result.dtype == torch.float32
        assert torch.equal(result, expected)


@needs_compiled
class TestCompiledForm:
    """The compiled operators against their form in PyTorch."""

    @pytest.mark.parametrize(
        ('dtype', 'atol'), [(torch.float32, 5e-6), (torch.float64, 1e-12)]
    )
    @pytest.mark.parametrize('channels', [1, 2, 3, 4, 5, 21, 30])
    @pytest.mark.parametrize('size', [(1, 1), (2, 7), (13, 8), (19, 37), (5, 150)])
    def test_parity(self, size, channels, dtype, atol):
        image, masks = data(2, channels, *size, dtype=dtype)
        for dilations in ((1,), (1, 2, 4, 8, 12, 24)):
            with python_forms():
                affinity = par_affinity(image, dilations)
                expected = par_propagate(affinity, masks, dilations, 3)
            compiled = par_affinity(image, dilations)
            torch.testing.assert_close(compiled, affinity, atol=atol, rtol=0)
            result = par_propagate(compiled, masks, dilations, 3)
            torch.testing.assert_close(result, expected, atol=atol, rtol=0)

    @pytest.mark.parametrize('channels', [1, 3, 7])
    @pytest.mark.parametrize(
        ('dtype', 'atol', 'w1', 'w2'),
        [
            (torch.float32, 5e-6, 0.3, 0.01),
            # A small w1 magnifies the rounding of both forms.
            (torch.float64, 1e-12, 0.05, 0.0),
            (torch.float64, 1e-12, 2.0, 1.0),
        ],
    )
    def test_flat_regions(self, channels, dtype, atol, w1, w2):
        generator = torch.Generator().manual_seed(0)
        image = 255 * torch.rand(2, channels, 11, 21, generator=generator)
        image[:, :, :6] = 128  # the deviation is 0
        image[:, :, 6] = 128 + 1e-3
        image = image.to(dtype)
        with python_forms():
            expected = par_affinity(image, (1, 3), w1, w2)
        result = par_affinity(image, (1, 3), w1, w2)
        torch.testing.assert_close(result, expected, atol=atol, rtol=0)

    @pytest.mark.parametrize('num_iters', [1, 2, 5])
    def test_any_offsets(self, num_iters):
        generator = torch.Generator().manual_seed(0)
        offsets = [0, 0, -40, 3, 5, -30, 1, 1, 60, -60]
        weights = torch.rand(3, 5, 11, 6, generator=generator) / 5
        maps = torch.rand(3, 9, 11, 6, generator=generator)
        arguments = weights, maps, offsets, num_iters
        with python_forms():
            expected = torch.ops.mmwsss.propagate(*arguments)
        result = torch.ops.mmwsss.propagate(*arguments)
        torch.testing.assert_close(result, expected, atol=5e-6, rtol=0)

    @pytest.mark.parametrize('channels', [2, 21])
    def test_any_number_of_threads(self, channels):
        image, masks = data(2, channels, 61, 53)
        threads = torch.get_num_threads()
        results = []
        try:
            for number in (1, 2, 3):
                torch.set_num_threads(number)
                results.append(par(image, masks))
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])


class TestOpcheck:
    def test_par_affinity(self):
        image, _ = data()
        torch.library.opcheck(
            torch.ops.mmwsss.par_affinity.default, (image, [1, 2], 0.3, 0.01)
        )

    @pytest.mark.parametrize('requires_grad', [False, True])
    def test_propagate(self, requires_grad):
        image, masks = data(dtype=torch.float64)
        affinity = par_affinity(image, (1, 2))
        tensors = (t.requires_grad_(requires_grad) for t in (affinity, masks))
        offsets = ring_offsets((1, 2))
        torch.library.opcheck(
            torch.ops.mmwsss.propagate.default, (*tensors, offsets, 2)
        )
