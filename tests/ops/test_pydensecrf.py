# Licensed under Apache-2.0.
"""The CRF against pydensecrf, argument by argument, where that is installed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    dense_crf,
    python_forms,
    unary_from_labels,
    unary_from_prob,
)
from tests.helpers.crf_pictures import STORED_SEEDS, draw, library_marginals, stored

pydensecrf = pytest.importorskip('pydensecrf.densecrf')
utils = pytest.importorskip('pydensecrf.utils')

LABELS, HEIGHT, WIDTH = 4, 24, 31
THEIRS = dict(gaussian=dict(sxy=3, compat=3), bilateral=dict(sxy=40, srgb=13, compat=5))
OURS = dict(pos_xy_std=3.0, pos_w=3.0, bi_xy_std=40.0, bi_rgb_std=13.0, bi_w=5.0)


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


IMAGE = F.interpolate(random(1, 3, 6, 6) * 255, (HEIGHT, WIDTH), mode='bilinear')
IMAGE = IMAGE.round().byte()
PROB = random(1, LABELS, HEIGHT, WIDTH).softmax(dim=1)


def theirs(gaussian, bilateral, iter_max=5, extra=None):
    crf = pydensecrf.DenseCRF2D(WIDTH, HEIGHT, LABELS)
    energies = unary_from_prob(PROB).reshape(LABELS, -1).numpy()
    crf.setUnaryEnergy(np.ascontiguousarray(energies))
    crf.addPairwiseGaussian(**gaussian)
    pixels = IMAGE[0].permute(1, 2, 0).contiguous().numpy()
    crf.addPairwiseBilateral(rgbim=pixels, **bilateral)
    if extra is not None:
        crf.addPairwiseEnergy(*extra)
    marginals = np.ascontiguousarray(crf.inference(iter_max))
    return torch.from_numpy(marginals).view(PROB.shape)


def check(their_change, our_change):
    ours = dense_crf(IMAGE, unary_from_prob(PROB), **(OURS | our_change))
    expected = theirs(**(THEIRS | their_change))
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize('iter_max', [0, 1, 10])
def test_updates(iter_max):
    check(dict(iter_max=iter_max), dict(iter_max=iter_max))


def test_deviations_of_each_axis():
    pairs = dict(
        gaussian=dict(sxy=(2, 6), compat=3),
        bilateral=dict(sxy=(20, 60), srgb=(5, 13, 30), compat=5),
    )
    ours = dict(pos_xy_std=(2.0, 6.0), bi_xy_std=(20.0, 60.0))
    check(pairs, dict(ours, bi_rgb_std=(5.0, 13.0, 30.0), iter_max=5))


def test_vector_has_the_other_sign():
    vector = np.array([1, 2, 3, 4], np.float32)
    bilateral = dict(sxy=40, srgb=13, compat=vector)
    check(dict(bilateral=bilateral), dict(bi_w=-torch.from_numpy(vector), iter_max=5))


def test_matrix_is_made_symmetric():
    matrix = random(LABELS, LABELS) * 4
    bilateral = dict(sxy=40, srgb=13, compat=matrix.numpy())
    ours = dict(bi_w=(matrix + matrix.T) / 2, iter_max=5)
    check(dict(bilateral=bilateral), ours)


def test_further_term():
    features = random(2, HEIGHT * WIDTH) * 3
    extra = [(features.view(1, 2, HEIGHT, WIDTH), 2.0)]
    check(dict(extra=(features.numpy(), 2.0)), dict(extra_terms=extra, iter_max=5))


@pytest.mark.parametrize('remainder', range(4))
def test_random_pictures(remainder):
    """50 of each H * W mod 4, dark ones among them, in both forms."""
    errors, without = [], []
    for seed in range(remainder, 200, 4):
        picture = draw(seed)
        params = DENSE_CRF_PRESETS[picture.preset]
        pair = picture.image[None], picture.unary[None]
        assert picture.unary[0].numel() % 4 == remainder
        with python_forms():
            results = [dense_crf(*pair, **params)]
        results.append(dense_crf(*pair, **params))
        expected = library_marginals(picture)
        errors += [float((q[0] - expected).abs().max()) for q in results]
        plain = dense_crf(*pair, **params, pad_block=False)[0]
        without.append(float((plain - expected).abs().max()))
    assert max(errors) <= 1e-5
    assert (max(without) > 1e-2) == (remainder > 0)


@pytest.mark.parametrize('seed', STORED_SEEDS)
def test_stored_marginals_are_the_library_s(seed):
    picture, marginals = stored(seed)
    torch.testing.assert_close(library_marginals(picture), marginals, atol=1e-5, rtol=0)


def test_blocks_of_a_further_term():
    """Pixels near feature 0, none in it; 19 * 37 mod 4 is 3."""
    picture = draw(55)
    labels, height, width = picture.unary.shape
    generator = torch.Generator().manual_seed(0)
    features = 0.2 * torch.rand(3, height * width, generator=generator) + 0.6
    crf = pydensecrf.DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(picture.unary.reshape(labels, -1).numpy())
    crf.addPairwiseEnergy(features.numpy(), 20.0)
    expected = torch.from_numpy(np.ascontiguousarray(crf.inference(1)))
    settings = dict(OURS, pos_w=0.0, bi_w=0.0, iter_max=1)
    settings |= dict(extra_terms=[(features.view(1, 3, height, width), 20.0)])
    pair = picture.image[None], picture.unary[None]
    errors = []
    for pad_block in (True, False):
        result = dense_crf(*pair, pad_block=pad_block, **settings)[0]
        errors.append(float((result - expected.view_as(result)).abs().max()))
    assert errors[0] <= 1e-5 < 1e-4 < errors[1]


def test_unaries():
    prob = np.ascontiguousarray(PROB[0].numpy())
    ours = unary_from_prob(PROB).reshape(LABELS, -1)
    expected = torch.from_numpy(utils.unary_from_softmax(prob))
    torch.testing.assert_close(ours, expected)
    labels = PROB.argmax(dim=1)
    expected = utils.unary_from_labels(
        labels[0].numpy(), LABELS, 0.7, zero_unsure=False
    )
    ours = unary_from_labels(labels, LABELS, 0.7).reshape(LABELS, -1)
    torch.testing.assert_close(ours, torch.from_numpy(expected))
