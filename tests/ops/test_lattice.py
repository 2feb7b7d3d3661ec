# Licensed under Apache-2.0.
"""The lattice and what runs on it: both forms, and what each must hold to."""

from __future__ import annotations

import itertools

import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    PermutohedralLattice,
    bilateral_filter,
    dense_crf,
    dense_energy,
    get_build_info,
    python_forms,
)
from mmwsss.ops._features import bilateral_features, position_features

kernels = torch.ops.mmwsss
compiled_only = pytest.mark.skipif(
    not get_build_info()['compiled'], reason='compares with the compiled form'
)
CHECKS = (
    'test_schema',
    'test_autograd_registration',
    'test_faketensor',
    'test_aot_dispatch_dynamic',
)


def points(batch=2, dim=5, pixels=150, scale=3.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, dim, pixels, generator=generator) * scale


def rows(count, channels, dtype=torch.float32, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, generator=generator, dtype=dtype)


def picture(kind, height=40, width=33):
    image = torch.full((1, 3, height, width), 127.0)
    if kind == 'noise':
        generator = torch.Generator().manual_seed(0)
        image = torch.rand(1, 3, height, width, generator=generator) * 255
    elif kind == 'gradient':
        image = image * torch.linspace(0, 2, width)
    return image


def assert_same_lattice(one, other):
    """The same but for the numbers of the vertices and the order of entries."""
    size = len(one[4]) - 1
    assert len(other[4]) - 1 == size
    number = torch.full((size + 1,), size)
    number[one[0].flatten().long()] = other[0].flatten().long()
    assert torch.equal(number.sort().values, torch.arange(size + 1))
    assert torch.equal(number[one[0].long()], other[0].long())
    assert torch.equal(one[1], other[1])
    assert torch.equal(number[one[5].long()], other[5].long()[:, number])
    assert torch.equal(entries(one, number), entries(other))


def entries(lattice, number=None):
    """Sorted (vertex, pixel, bits of the weight) of all entries of the splat."""
    _, _, pixels, weights, offsets, _ = lattice
    vertex = torch.arange(len(offsets) - 1).repeat_interleave(offsets.diff())
    vertex = vertex if number is None else number[vertex]
    table = torch.stack([vertex, pixels.long(), weights.view(torch.int32).long()], 1)
    return torch.tensor(sorted(table.tolist()))


def crf_inputs(labels=5, height=12, width=10, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(2, 3, height, width, generator=generator) * 255
    unary = torch.rand(2, labels, height, width, generator=generator, dtype=dtype)
    return image, unary * 3


def mean_field_terms(image):
    size = image.shape[-2:]
    features = [
        position_features(*size, 2.0, image.device).expand(len(image), -1, -1),
        bilateral_features(image, 20.0, 30.0),
    ]
    lattices = [kernels.lattice_build(f.contiguous(), True, False) for f in features]
    return [tensor for lattice in lattices for tensor in lattice]


def compats_of(kind, labels, dtype):
    generator = torch.Generator().manual_seed(3)
    none = torch.empty(0, dtype=dtype)
    vector = torch.rand(labels, generator=generator, dtype=dtype)
    matrix = torch.rand(labels, labels, generator=generator, dtype=dtype)
    pairs = dict(none=(none, none), vector=(none, vector), matrix=(matrix, vector))
    return list(pairs[kind])


class TestBuild:
    @compiled_only
    @pytest.mark.parametrize(
        ('dim', 'pixels'),
        [
            *itertools.product([1, 2, 3, 4, 5, 6], [1, 2, 97, 8192, 9001]),
            *itertools.product([9], [1, 2, 97]),
        ],
    )
    def test_same_as_the_form_in_pytorch(self, dim, pixels):
        features = points(2, dim, pixels, 3.0 if dim < 7 else 1.0)
        lattice = kernels.lattice_build(features, True, False)
        with python_forms():
            expected = kernels.lattice_build(features, True, False)
        assert_same_lattice(lattice, expected)

    @compiled_only
    @pytest.mark.parametrize('kind', ['noise', 'constant', 'gradient'])
    @pytest.mark.parametrize('sigmas', [(80.0, 13.0), (1.0, 5.0)])
    def test_pictures(self, kind, sigmas):
        features = bilateral_features(picture(kind), *sigmas)
        lattice = kernels.lattice_build(features, True, False)
        with python_forms():
            assert_same_lattice(lattice, kernels.lattice_build(features, True, False))

    @compiled_only
    @pytest.mark.parametrize('sigma', [0.5, 1.0, 3.0])
    def test_pixels_on_borders_fall_to_the_same_side(self, sigma):
        """Integer coordinates: many lie exactly between two simplices."""
        features = position_features(61, 64, sigma, torch.device('cpu'))
        lattice = kernels.lattice_build(features, True, False)
        with python_forms():
            assert_same_lattice(lattice, kernels.lattice_build(features, True, False))

    def test_worst_case_size(self):
        features = points(2, 3, 40)
        exact = kernels.lattice_build(features, True, False)
        worst = kernels.lattice_build(features, False, False)
        found, size = len(exact[4]) - 1, 2 * 40 * 4
        assert len(worst[4]) - 1 == size > found
        assert (worst[4][found:] == size).all()
        assert (worst[5][:, found:] == size).all()
        for index in range(4):
            assert torch.equal(exact[index], worst[index])
        there = exact[5][:, :found]
        assert torch.equal(there.masked_fill(there == found, size), worst[5][:, :found])

    def test_weights_are_barycentric(self):
        lattice = PermutohedralLattice.build(points(1, 4, 50))
        weights = lattice.slice_weights * (1 + 2.0**-4)
        assert (weights >= -1e-6).all()
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(50))

    @compiled_only
    def test_any_number_of_threads(self):
        features, values = points(2, 5, 20000, 6.0), rows(40000, 21)
        threads = torch.get_num_threads()
        results = []
        try:
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                lattice = kernels.lattice_build(features, True, False)
                results.append(
                    (*lattice, kernels.lattice_filter(*lattice, values, False))
                )
        finally:
            torch.set_num_threads(threads)
        for other in results[1:]:
            assert all(map(torch.equal, results[0], other))


class TestFilter:
    @compiled_only
    @pytest.mark.parametrize('channels', [1, 7, 8, 21, 33, 81])
    @pytest.mark.parametrize('reverse', [False, True])
    @pytest.mark.parametrize(
        ('dtype', 'bound'), [(torch.float32, 1e-5), (torch.float64, 1e-12)]
    )
    def test_same_as_the_form_in_pytorch(self, channels, reverse, dtype, bound):
        for dim, pixels in ((1, 1), (2, 300), (5, 1100)):
            lattice = kernels.lattice_build(points(1, dim, pixels), True, False)
            values = rows(pixels, channels, dtype)
            result = kernels.lattice_filter(*lattice, values, reverse)
            with python_forms():
                expected = kernels.lattice_filter(*lattice, values, reverse)
            torch.testing.assert_close(result, expected, rtol=bound, atol=0.0)

    def test_worst_case_size_gives_the_same(self):
        features, values = points(), rows(300, 9)
        results = [
            kernels.lattice_filter(
                *kernels.lattice_build(features, exact, False), values, False
            )
            for exact in (True, False)
        ]
        assert torch.equal(*results)

    def test_gradcheck(self):
        lattice = kernels.lattice_build(points(1, 3, 7), True, False)
        values = rows(7, 3, torch.float64).requires_grad_()
        for reverse in (False, True):
            assert torch.autograd.gradcheck(
                lambda v, r=reverse: kernels.lattice_filter(*lattice, v, r), values
            )

    def test_reverse_is_the_transpose(self):
        lattice = kernels.lattice_build(points(1, 5, 80), True, False)
        unit = torch.eye(80, dtype=torch.float64)
        forward = kernels.lattice_filter(*lattice, unit, False)
        backward = kernels.lattice_filter(*lattice, unit, True)
        torch.testing.assert_close(forward, backward.t())


class TestMeanField:
    @compiled_only
    @pytest.mark.parametrize('compat', ['none', 'vector', 'matrix'])
    @pytest.mark.parametrize('labels', [1, 2, 8, 21, 37])
    @pytest.mark.parametrize(
        ('dtype', 'bound'), [(torch.float32, 1e-5), (torch.float64, 1e-12)]
    )
    def test_same_as_the_form_in_pytorch(self, compat, labels, dtype, bound):
        image, unary = crf_inputs(labels, dtype=dtype)
        terms, compats = mean_field_terms(image), compats_of(compat, labels, dtype)
        for count in (None, torch.arange(1, labels + 1).to(dtype).log()):
            args = unary, terms, compats, 3, count
            result = kernels.mean_field(*args)
            with python_forms():
                expected = kernels.mean_field(*args)
            torch.testing.assert_close(result, expected, rtol=bound, atol=bound)

    @pytest.mark.parametrize('iter_max', [0, 2])
    def test_without_terms(self, iter_max):
        _, unary = crf_inputs()
        result = kernels.mean_field(unary, [], [], iter_max, None)
        torch.testing.assert_close(result, (-unary).softmax(dim=1))

    @compiled_only
    def test_any_number_of_threads(self):
        image, unary = crf_inputs(21, 70, 60)
        compats = compats_of('matrix', 21, torch.float32)
        threads = torch.get_num_threads()
        results = []
        try:
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                terms = mean_field_terms(image)
                results.append(kernels.mean_field(unary, terms, compats, 4, None))
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])

    def test_energies_far_apart(self):
        """No overflow; labels of no chance get 0."""
        unary = torch.tensor([0.0, 1e4, -1e4, 3e38]).view(1, 4, 1, 1)
        result = kernels.mean_field(unary, [], [], 1, None)
        assert result.flatten().tolist() == [0, 0, 1, 0]


class TestOperators:
    @pytest.mark.parametrize('exact_size', [True, False])
    @pytest.mark.parametrize('origin', [True, False])
    def test_build(self, exact_size, origin):
        torch.library.opcheck(
            kernels.lattice_build, (points(), exact_size, origin), test_utils=CHECKS
        )

    def test_filter(self):
        lattice = kernels.lattice_build(points(1, 2, 20), True, False)
        values = rows(20, 3).requires_grad_()
        torch.library.opcheck(
            kernels.lattice_filter, (*lattice, values, False), test_utils=CHECKS
        )

    def test_bilateral(self):
        values = rows(40, 3).view(2, 20, 3).requires_grad_()
        torch.library.opcheck(
            kernels.bilateral, (points(2, 5, 20), values, False), test_utils=CHECKS
        )

    def test_mean_field(self):
        image, unary = crf_inputs()
        args = mean_field_terms(image), compats_of('matrix', 5, unary.dtype)
        torch.library.opcheck(
            kernels.mean_field, (unary, *args, 2, None), test_utils=CHECKS
        )

    def test_dense_crf(self):
        image, unary = crf_inputs()
        none = torch.empty(0)
        args = [3.0, 3.0, 80.0, 80.0, 13.0, 13.0, 13.0], [], [3.0, 10.0], [none, none]
        torch.library.opcheck(
            kernels.dense_crf,
            (image, unary, *args, 2, None, False, True),
            test_utils=CHECKS,
        )


class TestFullGraph:
    def test_bilateral_filter(self):
        image, values = crf_inputs()
        compiled = torch.compile(bilateral_filter, fullgraph=True, backend='aot_eager')
        grads = []
        for run in (bilateral_filter, compiled):
            leaf = values.clone().requires_grad_()
            run(image, leaf, 9.0, 20.0).square().sum().backward()
            grads.append(leaf.grad)
        torch.testing.assert_close(*grads)

    def test_dense_energy(self):
        image, values = crf_inputs()
        unlabelled = torch.ones(2, 12, 10)
        compiled = torch.compile(dense_energy, fullgraph=True, backend='aot_eager')
        results = []
        for run in (dense_energy, compiled):
            leaf = values.softmax(dim=1).requires_grad_()
            energy = run(image, leaf, None, unlabelled)
            energy.backward()
            results.append((energy.detach(), leaf.grad))
        torch.testing.assert_close(*results)

    def test_dense_crf(self):
        image, unary = crf_inputs()
        settings = DENSE_CRF_PRESETS['psa']
        compiled = torch.compile(dense_crf, fullgraph=True, backend='aot_eager')
        torch.testing.assert_close(
            compiled(image, unary, **settings), dense_crf(image, unary, **settings)
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ('features', 'message'),
        [
            (torch.rand(5, 9), r'\(B, d, P\)'),
            (torch.ones(1, 2, 9, dtype=torch.int64), 'int64'),
            (torch.rand(1, 17, 9), '11 dimensions'),
            (torch.rand(1, 2, 0), 'empty'),
            (torch.full((1, 2, 9), torch.nan), 'NaN'),
            (points(1, 5, 99, 3e4), 'lattice needs .* bits'),
            (points(1, 11, 99), 'lattice needs .* bits'),
            (points(1, 2, 99, 1e9), 'must lie within'),
            (points(1, 2, 99, 1.0) + 1e20, 'must lie within'),
        ],
    )
    def test_features(self, features, message):
        for forms in (True, False):
            with pytest.raises(ValueError, match=message):
                if forms:
                    PermutohedralLattice.build(features)
                else:
                    with python_forms():
                        PermutohedralLattice.build(features)

    @pytest.mark.parametrize(
        ('values', 'message'),
        [
            (torch.rand(8, 2), r'\(9, C\)'),
            (torch.rand(9), r'\(9, C\)'),
            (torch.rand(9, 0), 'empty'),
            (torch.ones(9, 2, dtype=torch.int32), 'int32'),
            (torch.full((9, 2), torch.inf), 'infinite'),
        ],
    )
    def test_values(self, values, message):
        lattice = PermutohedralLattice.build(points(1, 2, 9))
        with pytest.raises(ValueError, match=message):
            lattice.filter(values)
