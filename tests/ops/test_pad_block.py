# Licensed under Apache-2.0.
"""Pictures whose pixels don't fill the library's blocks of 4: the vertices of 0."""

from __future__ import annotations

import pytest
import torch

from mmwsss.labelers.refiners.crf_refiner import DenseCRF
from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    PermutohedralLattice,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    gaussian_filter,
    get_build_info,
    python_forms,
    unary_from_prob,
)
from mmwsss.ops._features import bilateral_features, position_features
from tests.helpers.crf_pictures import STORED_SEEDS, stored
from tests.helpers.origin import around_origin, with_a_massless_pixel

kernels = torch.ops.mmwsss
Q_TOL = 1e-5


def both_forms(run):
    """Results of the form that runs and of the form in PyTorch."""
    yield run()
    if get_build_info()['compiled']:
        with python_forms():
            yield run()


def rows(count, channels=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, channels, generator=generator, dtype=dtype)


class TestLattice:
    @pytest.mark.parametrize('dim', [1, 2, 3, 5, 9])
    @pytest.mark.parametrize('pixels', [1, 2, 63, 9001])
    @pytest.mark.parametrize('exact_size', [True, False])
    def test_a_pixel_of_feature_0_without_mass(self, dim, pixels, exact_size):
        features, values = around_origin(2, dim, pixels), rows(2 * pixels)

        def run(reverse, origin=True):
            lattice = kernels.lattice_build(features, exact_size, origin)
            return kernels.lattice_filter(*lattice, values, reverse)

        for reverse in (False, True):
            expected = with_a_massless_pixel(features, values, reverse)
            for result in both_forms(lambda r=reverse: run(r)):
                torch.testing.assert_close(result, expected, atol=1e-12, rtol=1e-12)
        if dim > 2:
            assert float((run(True, origin=False) - expected).abs().max()) > 1e-4

    def test_sizes(self):
        features = around_origin(2, 5, 6)
        for lattice in both_forms(lambda: PermutohedralLattice.build(features)):
            plain = PermutohedralLattice.build(features, pad_block=False)
            assert lattice.num_pixels == plain.num_pixels == 12
            assert 0 < lattice.num_vertices - plain.num_vertices <= 2 * 6
            assert len(plain.splat_pixels) == 12 * 6
            assert len(lattice.splat_pixels) == (12 + 2) * 6
            assert int(lattice.splat_offsets[-1]) == (12 + 2) * 6
            assert int((lattice.splat_weights == 0).sum()) >= 2 * 6
            torch.testing.assert_close(lattice.splat_weights.sum(), torch.tensor(12.0))
            worst = PermutohedralLattice.build(features, exact_size=False)
            assert worst.num_vertices == (12 + 2) * 6

    @pytest.mark.parametrize('pixels', [4, 8, 5, 6, 7])
    def test_only_where_the_last_block_is_short(self, pixels):
        features = around_origin(1, 5, pixels)
        sizes = [
            PermutohedralLattice.build(features, pad_block=pad).num_vertices
            for pad in (True, False)
        ]
        assert (sizes[0] > sizes[1]) == (pixels % 4 != 0)

    def test_a_pixel_of_feature_0_is_enough(self):
        features = around_origin(2, 5, 9)
        features[:, :, 4] = 0
        values = rows(18)
        for lattice in both_forms(lambda: PermutohedralLattice.build(features)):
            plain = PermutohedralLattice.build(features, pad_block=False)
            assert lattice.num_vertices == plain.num_vertices
            torch.testing.assert_close(lattice.filter(values), plain.filter(values))

    def test_features_far_from_0(self):
        """Their keys must have room for 0 as well."""
        features = around_origin(1, 9, 5) + 60
        for _ in both_forms(lambda: None):
            assert PermutohedralLattice.build(features, pad_block=False).num_pixels == 5
            with pytest.raises(ValueError, match='pad_block=False'):
                PermutohedralLattice.build(features)

    def test_gradcheck(self):
        lattice = PermutohedralLattice.build(around_origin(1, 3, 7))
        values = rows(7).requires_grad_()
        assert torch.autograd.gradcheck(lattice.filter, values)

    @pytest.mark.skipif(not get_build_info()['compiled'], reason='of the C++ form')
    def test_any_number_of_threads(self):
        features, values = around_origin(3, 5, 9001), rows(27003, 21)
        threads, results = torch.get_num_threads(), []
        try:
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                lattice = PermutohedralLattice.build(features)
                results.append((*lattice.tensors(), lattice.filter(values)))
        finally:
            torch.set_num_threads(threads)
        for other in results[1:]:
            assert all(map(torch.equal, results[0], other))


class TestFilters:
    """As the library that the dense energy was published with: same blocks."""

    def test_bilateral_filter(self):
        generator = torch.Generator().manual_seed(0)
        image = 10 + 3 * torch.rand(2, 3, 7, 5, generator=generator)
        values = rows(2 * 35)
        maps = values.view(2, 7, 5, 3).permute(0, 3, 1, 2)
        features = bilateral_features(image, 50.0, 13.0)
        expected = with_a_massless_pixel(features, values, reverse=False)
        compiled = torch.compile(bilateral_filter, fullgraph=True, backend='aot_eager')
        for run in (bilateral_filter, compiled):
            for result in both_forms(lambda r=run: r(image, maps, 50.0, 13.0)):
                per_pixel = result.permute(0, 2, 3, 1).reshape(-1, 3)
                torch.testing.assert_close(per_pixel, expected)
        plain = PermutohedralLattice.build(features, pad_block=False).filter(values)
        assert float((plain - expected).abs().max()) > 1e-2

    def test_gaussian_filter_has_a_pixel_of_feature_0(self):
        values = rows(35).T.reshape(1, 3, 7, 5)
        features = position_features(7, 5, 3.0, values.device)
        plain = PermutohedralLattice.build(features, pad_block=False)
        expected = plain.filter(values.flatten(2)[0].T).T.reshape(values.shape)
        torch.testing.assert_close(gaussian_filter(values, 3.0), expected)


class TestLibrary:
    """The library's marginals, see tests/data/pydensecrf."""

    @pytest.mark.parametrize('seed', STORED_SEEDS)
    def test_same_marginals(self, seed):
        picture, expected = stored(seed)
        params = DENSE_CRF_PRESETS[picture.preset]
        pair = picture.image[None], picture.unary[None]
        for result in both_forms(lambda: dense_crf(*pair, **params)[0]):
            assert float((result - expected).abs().max()) <= Q_TOL

    def test_every_remainder_is_there(self):
        sizes = [stored(seed)[0].image[0].numel() % 4 for seed in STORED_SEEDS]
        assert set(sizes) == {0, 1, 2, 3}

    def test_they_differ_without(self):
        """Except where the blocks are full, or a pixel is black at the top left."""
        changed = []
        for seed in STORED_SEEDS:
            picture, expected = stored(seed)
            params = DENSE_CRF_PRESETS[picture.preset] | dict(pad_block=False)
            result = dense_crf(picture.image[None], picture.unary[None], **params)[0]
            changed.append(float((result - expected).abs().max()) > 5e-4)
            full = picture.image[0].numel() % 4 == 0
            black = not picture.image[:, 0, 0].any()
            assert changed[-1] == (not full and not black)
        assert sum(changed) == 6


class TestCRF:
    """A picture of 43 x 26 pixels, where the blocks change Q by 0.02."""

    SETTINGS = dict(DENSE_CRF_PRESETS['toco_cam'])

    @staticmethod
    def picture():
        picture = stored(26)[0]
        assert picture.preset == 'toco_cam'
        return picture.image[None], picture.unary[None]

    def test_batch(self):
        pairs = [self.picture(), self.picture()]
        pairs[1] = pairs[1][0].flip(3), pairs[1][1].flip(2)
        batch = [torch.cat(maps) for maps in zip(*pairs)]
        for result in both_forms(lambda: dense_crf(*batch, **self.SETTINGS)):
            for one, pair in zip(result, pairs):
                alone = dense_crf(*pair, **self.SETTINGS)[0]
                torch.testing.assert_close(one, alone, atol=Q_TOL, rtol=0)

    @pytest.mark.parametrize('pad_block', [True, False])
    def test_reached_from_everywhere(self, pad_block):
        """The picture in a tensor, in a list, in the module; hard labels."""
        image, unary = self.picture()
        settings = self.SETTINGS | dict(pad_block=pad_block)
        result = dense_crf(image, unary, **settings)
        other = dense_crf(image, unary, **settings | dict(pad_block=not pad_block))
        assert float((result - other).abs().max()) > 1e-2
        listed = dense_crf([image[0]], [unary[0]], **settings)
        assert torch.equal(listed[0], result[0])
        prob = unary.neg().softmax(dim=1)
        expected = dense_crf(image, unary_from_prob(prob), **settings)
        module = DenseCRF(preset='toco_cam', pad_block=pad_block)
        assert torch.equal(module(image.float(), prob), expected)

    def test_hard_labels(self):
        image, unary = self.picture()
        labels = unary.argmin(dim=1)
        results = []
        for pad_block in (True, False):
            settings = self.SETTINGS | dict(num_labels=3, pad_block=pad_block)
            results.append(dense_crf_labels(image, labels, **settings))
            listed = dense_crf_labels([image[0]], [labels[0]], **settings)
            assert torch.equal(listed[0], results[-1][0])
        assert float((results[0] - results[1]).abs().max()) > 1e-3

    def test_further_terms(self):
        image, unary = self.picture()
        maps = around_origin(1, 3, image[0, 0].numel()).view(1, 3, *image.shape[2:])
        results = []
        for pad_block in (True, False):
            settings = self.SETTINGS | dict(bi_w=0.0, iter_max=1, pad_block=pad_block)
            extra = [(maps, 20.0)]
            results.append(dense_crf(image, unary, extra_terms=extra, **settings))
        assert float((results[0] - results[1]).abs().max()) > 1e-4

    def test_exact_kernel_has_no_blocks(self):
        image, unary = self.picture()
        results = [
            dense_crf(image, unary, mode='exact', pad_block=pad, **self.SETTINGS)
            for pad in (True, False)
        ]
        assert torch.equal(*results)

    def test_compiled_graph(self):
        image, unary = self.picture()
        compiled = torch.compile(dense_crf, fullgraph=True, backend='aot_eager')
        for pad_block in (True, False):
            settings = self.SETTINGS | dict(pad_block=pad_block)
            expected = dense_crf(image, unary, **settings)
            assert torch.equal(compiled(image, unary, **settings), expected)
