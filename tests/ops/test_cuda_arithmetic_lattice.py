# Licensed under Apache-2.0.
"""The CUDA sources of the lattice, compiled without nvcc, against PyTorch."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import DENSE_CRF_PRESETS, _fallback
from mmwsss.ops._composite import _normalised
from mmwsss.ops._fallback.build import _elevate, _enclosing_simplex
from mmwsss.ops._features import bilateral_features, position_features
from mmwsss.ops._schema import python_forms
from tests.helpers.crf_pictures import STORED_SEEDS, stored
from tests.helpers.cuda_lattice import TYPES, EmulatedLattice
from tests.helpers.cuda_on_cpu import compile_on_cpu
from tests.helpers.origin import around_origin, with_a_massless_pixel

FITS, TOO_WIDE, TOO_LARGE, NOT_FINITE = 0, -1, -2, -3


@pytest.fixture(scope='module')
def cuda(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cuda')
    return EmulatedLattice(compile_on_cpu('cuda_lattice.cpp', folder))


def noise(batch, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, height, width, generator=generator) * 255


def gradient(batch, height, width):
    ramp = torch.linspace(0, 255, height * width).view(1, 1, height, width)
    return ramp * torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1).expand(batch, 3, 1, 1)


def constant(batch, height, width):
    return torch.full((batch, 3, height, width), 90.0)


IMAGES = {
    'noise': (noise(2, 21, 17), 5.0, 5.0),
    'smooth': (noise(1, 30, 40), 50.0, 100.0),
    'gradient': (gradient(3, 19, 23), 20.0, 10.0),
    'constant': (constant(2, 40, 37), 80.0, 13.0),
    'pixel': (noise(1, 1, 1), 3.0, 3.0),
    'row': (noise(2, 1, 65), 3.0, 3.0),
    # every pixel alone in its simplex: rows of length 1
    'alone': (noise(1, 13, 11), 0.2, 2.0),
}


@pytest.fixture(params=IMAGES)
def features(request):
    image, sigma_xy, sigma_rgb = IMAGES[request.param]
    return bilateral_features(image, sigma_xy, sigma_rgb)


def rows(count, channels, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, generator=generator, dtype=dtype)


def assert_close(result, expected, dtype):
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    scale = float(expected.abs().max())
    torch.testing.assert_close(result, expected, atol=tolerance * scale, rtol=tolerance)


class TestBuild:
    @pytest.mark.parametrize('exact_size', [True, False])
    @pytest.mark.parametrize('origin', [True, False])
    def test_same_lattice(self, cuda, features, exact_size, origin):
        lattice, state = cuda.build(features, exact_size, origin)
        assert state == FITS
        for result, expected in zip(
            lattice, _fallback.lattice_build(features, exact_size, origin), strict=True
        ):
            assert result.shape == expected.shape
            assert torch.equal(result, expected)

    @pytest.mark.parametrize('dim', [1, 2, 3, 5, 7, 9])
    @pytest.mark.parametrize('origin', [True, False])
    def test_dimensions(self, cuda, dim, origin):
        generator = torch.Generator().manual_seed(dim)
        spread = 4.0 if dim < 7 else 0.2
        features = torch.randn(2, dim, 150, generator=generator) * spread
        lattice, state = cuda.build(features, True, origin)
        assert state == FITS
        expected = _fallback.lattice_build(features, True, origin)
        assert all(torch.equal(*pair) for pair in zip(lattice, expected, strict=True))

    def test_borders_of_simplices(self, cuda):
        """Integer coordinates and equal ones: ties everywhere."""
        position = position_features(30, 20, 1.0, torch.device('cpu'))
        lattice, _ = cuda.build(position, True)
        expected = _fallback.lattice_build(position, True, False)
        assert all(torch.equal(*pair) for pair in zip(lattice, expected, strict=True))

    def test_room_for_the_neighbours(self, cuda, features):
        """One step beyond the vertices on both sides, or keys would collide."""
        dim = features.shape[1]
        cuda.build(features, True)
        base = _enclosing_simplex(_elevate(features))[0].long()
        for j, (low, extent) in enumerate(cuda.ranges):
            assert low <= int(base[j].min()) * (dim + 1) - dim - 1
            assert low + extent - 1 == int(base[j].max()) * (dim + 1) + 2 * dim

    def test_many_pixels(self, cuda):
        """More than 64 * 64: three levels of the reduction."""
        features = bilateral_features(noise(1, 70, 65), 30.0, 30.0)
        lattice, _ = cuda.build(features, True)
        expected = _fallback.lattice_build(features, True, False)
        assert all(torch.equal(*pair) for pair in zip(lattice, expected, strict=True))


class TestUnusable:
    """NaN comes out, nothing is read or written outside, no vertex is lost."""

    @staticmethod
    def spoiled(kind):
        features = bilateral_features(noise(2, 9, 8), 5.0, 5.0)
        if kind in ('nan', 'inf'):
            features[1, 3, 40] = float(kind)
        elif kind == 'wide':
            features *= 2000.0
        else:
            features[0, 2] += 1e30 if kind == 'huge' else 3e7
        return features

    @pytest.mark.parametrize(
        ('kind', 'expected'),
        [
            ('nan', NOT_FINITE),
            ('inf', NOT_FINITE),
            ('wide', TOO_WIDE),
            ('huge', TOO_LARGE),
            ('far', TOO_LARGE),
        ],
    )
    @pytest.mark.parametrize('exact_size', [True, False])
    @pytest.mark.parametrize('origin', [True, False])
    def test_poisoned(self, cuda, kind, expected, exact_size, origin):
        features = self.spoiled(kind)
        lattice, state = cuda.build(features, exact_size, origin)
        assert state == expected
        filtered = cuda.filter(lattice, rows(144, 3))
        assert filtered.isnan().all()
        size, entries = len(lattice[4]) - 1, len(lattice[2])
        assert entries == (144 + 2 * origin) * 6
        for tensor, bound in zip(lattice[::2], [size, 144, entries + 1]):
            assert int(tensor.min()) >= 0
            assert int(tensor.max()) < bound
        assert int(lattice[5].max()) <= size
        assert (lattice[4].diff() >= 0).all()
        torch.testing.assert_close(lattice[3].sum(), torch.tensor(144.0))

    @pytest.mark.parametrize('kind', ['nan', 'inf', 'wide', 'huge', 'far'])
    def test_pytorch_form_agrees(self, kind):
        features = self.spoiled(kind)
        lattice = _fallback.lattice_build(features, False, False)
        result = _fallback.lattice_filter(*lattice, rows(144, 3), False)
        assert result.isnan().all()

    @pytest.mark.parametrize(
        ('kind', 'message'),
        [('wide', 'bits'), ('huge', 'too large'), ('far', 'too large')],
    )
    def test_pytorch_form_refuses_with_exact_size(self, kind, message):
        with pytest.raises(ValueError, match=message):
            _fallback.lattice_build(self.spoiled(kind), True, False)

    def test_largest_range_of_keys(self, cuda):
        """Both sides of the border agree with PyTorch on which is which."""
        states = set()
        for stretch in torch.logspace(0, 3, 40).tolist():
            features = bilateral_features(noise(3, 5, 5), 5.0, 5.0) * stretch
            _, state = cuda.build(features, False)
            lattice = _fallback.lattice_build(features, False, False)
            assert bool(lattice[1].isnan().all()) == (state == TOO_WIDE)
            states.add(state)
        assert states == {FITS, TOO_WIDE}


class TestFilter:
    @pytest.mark.parametrize('dtype', TYPES)
    @pytest.mark.parametrize('channels', [1, 3, 21])
    @pytest.mark.parametrize('reverse', [False, True])
    def test_same_values(self, cuda, features, dtype, channels, reverse):
        lattice = _fallback.lattice_build(features, True, False)
        values = rows(len(lattice[0]), channels, dtype)
        expected = _fallback.lattice_filter(*lattice, values, reverse)
        result = cuda.filter(lattice, values, reverse)
        assert_close(result, expected, dtype)

    @pytest.mark.parametrize('origin', [True, False])
    def test_worst_case_size_gives_the_same(self, cuda, features, origin):
        values = rows(features.shape[0] * features.shape[2], 4)
        exact, worst = (cuda.build(features, size, origin)[0] for size in (True, False))
        results = [cuda.filter(lattice, values) for lattice in (exact, worst)]
        assert torch.equal(*results)

    @pytest.mark.parametrize('dtype', TYPES)
    @pytest.mark.parametrize('exact_size', [True, False])
    @pytest.mark.parametrize('pixels', [1, 2, 63, 97])
    def test_origin(self, cuda, dtype, exact_size, pixels):
        features = around_origin(2, 5, pixels)
        lattice, _ = cuda.build(features, exact_size, True)
        values = rows(2 * pixels, 3, dtype)
        for reverse in (False, True):
            expected = with_a_massless_pixel(features, values, reverse)
            assert_close(cuda.filter(lattice, values, reverse), expected, dtype)

    @pytest.mark.parametrize('length', [1, 63, 64, 65, 128, 129, 1000])
    def test_long_rows(self, cuda, length):
        """All pixels in one simplex: rows that begin and end at every place."""
        features = torch.full((1, 2, length), 0.3)
        lattice = _fallback.lattice_build(features, True, False)
        assert len(lattice[4]) == 4
        values = rows(length, 2, torch.float64)
        expected = _fallback.lattice_filter(*lattice, values, False)
        assert_close(cuda.filter(lattice, values), expected, torch.float64)

    def test_rows_of_one_entry(self, cuda):
        features = torch.arange(100.0).view(1, 1, 100) * 10
        lattice = _fallback.lattice_build(features, True, False)
        assert int(lattice[4].diff().max()) == 1
        values = rows(100, 2, torch.float64)
        expected = _fallback.lattice_filter(*lattice, values, False)
        assert_close(cuda.filter(lattice, values), expected, torch.float64)

    def test_dimensions(self, cuda):
        for dim in (1, 3, 9):
            generator = torch.Generator().manual_seed(dim)
            features = torch.randn(2, dim, 60, generator=generator) * 0.2
            lattice = _fallback.lattice_build(features, True, False)
            values = rows(120, 5, torch.float64)
            expected = _fallback.lattice_filter(*lattice, values, False)
            assert_close(cuda.filter(lattice, values), expected, torch.float64)


class TestMeanField:
    @staticmethod
    def problem(dtype=torch.float32, labels=5, batch=2, height=14, width=11):
        image = noise(batch, height, width).round()
        prob = torch.randn(
            batch, labels, height, width, generator=torch.Generator().manual_seed(2)
        ).softmax(dim=1)
        with python_forms():
            lattices = [
                _normalised(
                    position_features(height, width, 3.0, image.device).expand(
                        batch, -1, -1
                    ),
                    3.0,
                    pad_block=True,
                ),
                _normalised(bilateral_features(image, 20.0, 40.0), 10.0, True),
            ]
        return -prob.log().to(dtype), lattices

    @staticmethod
    def compare(cuda, unary, lattices, compats, iter_max=5, log_count=None):
        flat = [tensor for lattice in lattices for tensor in lattice]
        expected = _fallback.mean_field(unary, flat, compats, iter_max, log_count)
        result = cuda.mean_field(unary, lattices, compats, iter_max, log_count)
        tolerance = 1e-5 if unary.dtype == torch.float32 else 1e-12
        assert float((result - expected).abs().max()) <= tolerance
        return result

    @pytest.mark.parametrize('dtype', TYPES)
    @pytest.mark.parametrize('iter_max', [0, 1, 10])
    @pytest.mark.parametrize('labels', [1, 2, 21])
    def test_same_marginals(self, cuda, dtype, iter_max, labels):
        unary, lattices = self.problem(dtype, labels)
        none = [unary.new_empty(0)] * 2
        result = self.compare(cuda, unary, lattices, none, iter_max)
        torch.testing.assert_close(result.sum(dim=1), torch.ones_like(result[:, 0]))

    @pytest.mark.parametrize('kinds', ['v', 'm', 'pv', 'vp', 'pm', 'mp', 'vm', 'mm'])
    def test_compatibilities(self, cuda, kinds):
        unary, lattices = self.problem(torch.float64)
        generator = torch.Generator().manual_seed(3)
        shapes = {'p': (0,), 'v': (5,), 'm': (5, 5)}
        compats = [
            torch.randn(shapes[kind], generator=generator, dtype=unary.dtype)
            for kind in kinds
        ]
        self.compare(cuda, unary, lattices[: len(kinds)], compats)

    def test_no_terms(self, cuda):
        unary, _ = self.problem()
        result = self.compare(cuda, unary, [], [])
        torch.testing.assert_close(result, unary.neg().softmax(dim=1))

    def test_multiplicity(self, cuda):
        unary, lattices = self.problem()
        counts = torch.tensor([1.0, 1.0, 17.0, 1.0, 2.0]).log()
        self.compare(cuda, unary, lattices, [unary.new_empty(0)] * 2, 5, counts)

    def test_worst_case_lattice(self, cuda):
        unary, lattices = self.problem()
        features = bilateral_features(noise(2, 14, 11), 20.0, 40.0)
        lattices[1] = _fallback.lattice_build(features, False, False)
        self.compare(cuda, unary, lattices, [unary.new_empty(0)] * 2)

    def test_extreme_energies(self, cuda):
        """Large ones, infinite ones, and a NaN that stays in its pixel."""
        unary, _ = self.problem(labels=4)
        unary *= 1e4
        unary[0, :2, 0, 0] = torch.inf
        unary[0, 3, 0, 1] = torch.inf
        unary[1, 2, 3, 3] = torch.nan
        expected = unary.neg().softmax(dim=1)
        result = cuda.mean_field(unary, [], [], 3, None)
        torch.testing.assert_close(result, expected, equal_nan=True, atol=1e-6, rtol=0)

    @pytest.mark.parametrize('seed', STORED_SEEDS)
    def test_library(self, cuda, seed):
        picture, expected = stored(seed)
        params = DENSE_CRF_PRESETS[picture.preset]
        image, unary = picture.image[None], picture.unary[None]
        position = position_features(
            *image.shape[2:], params['pos_xy_std'], image.device
        )
        sigmas = params['bi_xy_std'], params['bi_rgb_std']
        with python_forms():
            lattices = [
                _normalised(position, params['pos_w'], True),
                _normalised(bilateral_features(image, *sigmas), params['bi_w'], True),
            ]
        none = [unary.new_empty(0)] * 2
        result = cuda.mean_field(unary, lattices, none, params['iter_max'], None)
        assert float((result[0] - expected).abs().max()) <= 1e-5

    def test_published_setting(self, cuda):
        """A photograph-like image with the presets' weights, 10 updates."""
        params = DENSE_CRF_PRESETS['psa']
        image = gradient(1, 60, 50).round()
        with python_forms():
            lattice = _normalised(
                bilateral_features(image, params['bi_xy_std'], params['bi_rgb_std']),
                params['bi_w'],
                pad_block=True,
            )
        unary, _ = self.problem(labels=21, batch=1, height=60, width=50)
        self.compare(cuda, unary, [lattice], [unary.new_empty(0)], 10)


def test_rows_and_columns(cuda):
    """The product in place of a division is exact for all 63 bits."""
    for columns in (1, 2, 3, 5, 21, 64, 187500, 2**31 - 1, 2**32, 2**40 + 1):
        for base in (0, 1, 12345, 2**31, 2**32, 2**53, 2**63 - 1):
            near = base // columns * columns
            for i in {base, near, max(near - 1, 0), min(near + 1, 2**63 - 1)}:
                assert cuda.split(i, columns) == divmod(i, columns)
