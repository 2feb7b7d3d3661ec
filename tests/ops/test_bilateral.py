# Licensed under Apache-2.0.
from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.ops import PermutohedralLattice, bilateral_filter, gaussian_filter
from mmwsss.ops._features import bilateral_features


def data(batch=2, channels=3, height=9, width=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, height, width, generator=generator) * 255
    return image, torch.rand(batch, channels, height, width, generator=generator)


def written_out(features, values):
    """Sum over all pairs of pixels."""
    points = features.transpose(1, 2).double()
    distance = (points[:, :, None] - points[:, None]).square().sum(-1)
    return torch.einsum(
        'bij,bcj->bci', (-distance / 2).exp(), values.double().flatten(2)
    ).view_as(values)


class TestSmoke:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    def test_runs(self, mode):
        image, values = data()
        result = bilateral_filter(image, values, 50.0, 15.0, mode)
        assert result.shape == values.shape
        assert result.dtype == torch.float32
        assert (result >= 0).all()
        assert gaussian_filter(values, 3.0, mode).shape == values.shape


class TestBadInput:
    @pytest.mark.parametrize(
        ('change', 'message'),
        [
            (dict(image=torch.rand(2, 1, 9, 7)), '3 channels'),
            (dict(image=torch.rand(3, 9, 7)), r'\(B, C, H, W\)'),
            (dict(image=torch.rand(2, 3, 9, 8)), 'same size'),
            (dict(image=torch.rand(1, 3, 9, 7)), 'batch size 2'),
            (dict(image=torch.full((2, 3, 9, 7), torch.inf)), 'infinite'),
            (dict(values=torch.rand(2, 0, 9, 7)), 'empty'),
            (dict(values=torch.ones(2, 1, 9, 7, dtype=torch.int64)), 'int64'),
            (dict(values=torch.full((2, 1, 9, 7), torch.nan)), 'NaN'),
            (dict(sigma_xy=0.0), 'sigma_xy'),
            (dict(sigma_rgb=-1.0), 'sigma_rgb'),
            (dict(sigma_rgb=float('nan')), 'sigma_rgb'),
            (dict(mode='fast'), "'fast'"),
            (dict(sigma_rgb=1e-2), 'bits'),
        ],
    )
    def test_rejected(self, change, message):
        image, values = data()
        kwargs = dict(image=image, values=values, sigma_xy=5.0, sigma_rgb=10.0)
        with pytest.raises(ValueError, match=message):
            bilateral_filter(**(kwargs | change))

    def test_gaussian(self):
        with pytest.raises(ValueError, match='sigma_xy'):
            gaussian_filter(torch.rand(1, 1, 4, 4), 0.0)
        with pytest.raises(ValueError, match='mode'):
            gaussian_filter(torch.rand(1, 1, 4, 4), 1.0, 'other')


class TestShapes:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    @pytest.mark.parametrize('size', [(1, 1), (1, 9), (33, 5)])
    @pytest.mark.parametrize('channels', [1, 21])
    def test_sizes(self, mode, size, channels):
        image, values = data(2, channels, *size)
        assert bilateral_filter(image, values, 9.0, 20.0, mode).shape == values.shape

    def test_non_contiguous(self):
        image, values = data()
        views = [
            t.transpose(2, 3).contiguous().transpose(2, 3) for t in (image, values)
        ]
        expected = bilateral_filter(image, values, 9.0, 20.0)
        assert torch.equal(bilateral_filter(*views, 9.0, 20.0), expected)

    def test_uint8_image(self):
        image, values = data()
        image = image.byte()
        expected = bilateral_filter(image.float(), values, 9.0, 20.0)
        assert torch.equal(bilateral_filter(image, values, 9.0, 20.0), expected)


class TestValues:
    def test_exact_is_the_sum_over_all_pairs(self):
        image, values = data()
        expected = written_out(bilateral_features(image, 5.0, 40.0), values)
        result = bilateral_filter(image, values.double(), 5.0, 40.0, 'exact')
        torch.testing.assert_close(result, expected)

    def test_exact_in_tiles(self, monkeypatch):
        image, values = data()
        expected = bilateral_filter(image, values, 5.0, 40.0, 'exact')
        monkeypatch.setattr('mmwsss.ops._features._TILE_ELEMENTS', 1000)
        result = bilateral_filter(image, values, 5.0, 40.0, 'exact')
        torch.testing.assert_close(result, expected)

    def test_lattice_follows_the_exact_sum(self):
        image, values = data(1, 2, 40, 40)
        image = torch.nn.functional.avg_pool2d(image, 9, 1, 4)  # smooth
        results = [
            bilateral_filter(image, values, 20.0, 30.0, mode).flatten()
            for mode in ('lattice', 'exact')
        ]
        assert torch.corrcoef(torch.stack(results))[0, 1] > 0.9
        assert 0.4 < (results[0].sum() / results[1].sum()) < 0.8

    def test_one_pixel(self):
        """All weight returns to the pixel: the sum of squared weights."""
        image, values = torch.zeros(1, 3, 1, 1), torch.ones(1, 1, 1, 1)
        # At the origin the pixel is a vertex of its simplex; the five others
        # are created without weight and only pass the blur on.
        result = bilateral_filter(image, values, 1.0, 1.0)
        assert 1 / (1 + 2**-5) <= float(result) < 2

    def test_images_of_a_batch_never_mix(self):
        image, values = data()
        alone = [
            bilateral_filter(image[i : i + 1], values[i : i + 1], 9.0, 20.0)
            for i in range(2)
        ]
        result = bilateral_filter(image, values, 9.0, 20.0)
        assert torch.equal(result, torch.cat(alone))

    def test_deterministic(self):
        image, values = data(2, 21, 30, 30)
        results = [bilateral_filter(image, values, 9.0, 20.0) for _ in range(3)]
        assert all(torch.equal(results[0], other) for other in results[1:])

    def test_channels_are_independent(self, monkeypatch):
        """Also across the blocks that channels are filtered in."""
        image, values = data(1, 37, 12, 12)
        expected = bilateral_filter(image, values, 9.0, 20.0)
        monkeypatch.setattr('mmwsss.ops._fallback.filter._BLOCK_BYTES', 1)
        result = bilateral_filter(image, values, 9.0, 20.0)
        torch.testing.assert_close(result, expected)

    def test_worst_case_size_gives_the_same(self):
        image, values = data(2, 4, 12, 10)
        features = bilateral_features(image, 9.0, 20.0)
        rows = values.flatten(2).transpose(1, 2).reshape(-1, 4)
        build = PermutohedralLattice.build
        exact, worst = (build(features, size) for size in (True, False))
        assert worst.num_vertices == 6 * 240 >= exact.num_vertices
        results = [lattice.filter(rows) for lattice in (exact, worst)]
        assert torch.equal(*results)

    @settings(max_examples=15, deadline=None)
    @given(
        height=st.integers(1, 12),
        width=st.integers(1, 12),
        sigma=st.sampled_from([0.5, 3.0, 50.0]),
        seed=st.integers(0, 999),
    )
    def test_linear_and_symmetric_in_exact_mode(self, height, width, sigma, seed):
        image, values = data(1, 2, height, width, seed)
        values = values.double()
        for mode in ('lattice', 'exact'):
            result = bilateral_filter(image, values, sigma, 20.0, mode)
            scaled = bilateral_filter(image, 3 * values, sigma, 20.0, mode)
            torch.testing.assert_close(scaled, 3 * result)
        # <a, K b> = <K a, b>
        left = (values[:, 0] * result[:, 1]).sum()
        torch.testing.assert_close(left, (result[:, 0] * values[:, 1]).sum())


class TestGradient:
    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    def test_gradcheck(self, mode):
        image, values = data(2, 2, 4, 3)
        values = values.double().requires_grad_()
        assert torch.autograd.gradcheck(
            lambda v: bilateral_filter(image, v, 3.0, 60.0, mode), values
        )
        assert torch.autograd.gradcheck(lambda v: gaussian_filter(v, 2.0, mode), values)

    def test_gradgradcheck(self):
        image, values = data(1, 1, 3, 3)
        values = values.double().requires_grad_()
        assert torch.autograd.gradgradcheck(
            lambda v: bilateral_filter(image, v, 3.0, 60.0).square(), values
        )


class TestCompiledAndAmp:
    def test_compiled(self):
        image, values = data()
        compiled = torch.compile(bilateral_filter, backend='aot_eager')
        expected = bilateral_filter(image, values, 9.0, 20.0)
        torch.testing.assert_close(compiled(image, values, 9.0, 20.0), expected)

    def test_exact_fullgraph(self):
        values = data()[1]
        compiled = torch.compile(gaussian_filter, fullgraph=True, backend='aot_eager')
        expected = gaussian_filter(values, 2.0, 'exact')
        torch.testing.assert_close(compiled(values, 2.0, 'exact'), expected)

    @pytest.mark.parametrize('mode', ['lattice', 'exact'])
    def test_half_inputs_are_computed_in_float32(self, mode):
        image, values = data()
        values = values.half()
        expected = bilateral_filter(image, values.float(), 9.0, 20.0, mode)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            result = bilateral_filter(image, values, 9.0, 20.0, mode)
        assert result.dtype == torch.float32
        assert torch.equal(result, expected)
