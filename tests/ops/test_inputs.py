# Licensed under Apache-2.0.
"""Forms in which the operators take their input, beside the usual ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    bilateral_filter,
    dense_crf,
    dense_crf_labels,
    dense_energy,
    dense_energy_loss,
    par_affinity,
    par_propagate,
    unary_from_log_prob,
    unary_from_prob,
)

IRN = dict(DENSE_CRF_PRESETS['irn'])


def data(height=10, width=9, labels=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (1, 3, height, width), generator=generator).float()
    logits = torch.randn(1, labels, height, width, generator=generator)
    return image, logits


def test_log_probabilities():
    image, logits = data()
    from_log = unary_from_log_prob(logits.log_softmax(dim=1))
    torch.testing.assert_close(from_log, unary_from_prob(logits.softmax(dim=1)))
    floor = unary_from_log_prob(torch.full((1, 1, 2, 2), -torch.inf))
    torch.testing.assert_close(floor, unary_from_prob(torch.zeros(1, 1, 2, 2)))
    for bad in (logits, logits.log_softmax(dim=1) * torch.nan):
        with pytest.raises(ValueError, match='log_softmax'):
            unary_from_log_prob(bad)


def test_labels_of_different_sizes():
    sizes = (10, 9), (7, 12)
    images = [data(*size)[0][0] for size in sizes]
    labels = [data(*size)[1][0].argmax(dim=0) for size in sizes]
    results = dense_crf_labels(images, labels, 6, **IRN)
    for image, label, result in zip(images, labels, results, strict=True):
        alone = dense_crf_labels(image[None], label[None], 6, **IRN)
        assert torch.equal(result, alone[0])
    with pytest.raises(ValueError, match='one length'):
        dense_crf_labels(images, labels[:1], 6, **IRN)


@pytest.mark.parametrize('kind', ['vector', 'matrix'])
def test_labels_with_weights_of_their_own(kind):
    """The same as the number, also with labels that occur nowhere."""
    image, logits = data()
    labels = logits.argmax(dim=1)
    own = torch.full((6,), 3.0)
    if kind == 'matrix':
        own = 3.0 * (1 - torch.eye(6))
    expected = dense_crf_labels(image, labels, 6, **IRN)
    result = dense_crf_labels(image, labels, 6, **IRN | dict(pos_w=own))
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_numbers_of_numpy():
    image, logits = data()
    prob = logits.softmax(dim=1)
    three, five = np.float32(3), np.float32(5)
    expected = bilateral_filter(image, prob, 3.0, 5.0)
    assert torch.equal(bilateral_filter(image, prob, three, five), expected)
    pair = np.array([3.0, 3.0])
    unary = unary_from_prob(prob)
    expected = dense_crf(image, unary, **IRN)
    assert torch.equal(dense_crf(image, unary, **IRN | dict(pos_xy_std=pair)), expected)


def test_published_loss_is_the_energy_times_its_weight():
    image, logits = data()
    inputs = image, logits.softmax(dim=1), None, torch.zeros(1, 10, 9)
    energy = dense_energy(*inputs, scale_factor=np.float32(0.5))
    torch.testing.assert_close(dense_energy_loss(*inputs), 1e-7 * energy)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(roi=torch.full((1, 10, 9), 7.0)), 'roi must lie'),
        (dict(unlabelled=torch.full((1, 10, 9), torch.nan)), 'unlabelled holds'),
        (dict(scale_factor=2.0), 'scale_factor must lie'),
    ],
)
def test_energy_out_of_range(change, message):
    image, logits = data()
    inputs = dict(
        image=image,
        prob=logits.softmax(dim=1),
        roi=None,
        unlabelled=torch.zeros(1, 10, 9),
    )
    with pytest.raises(ValueError, match=message):
        dense_energy(**inputs | change)


def test_par_out_of_range():
    image = data()[0]
    with pytest.raises(ValueError, match='w1'):
        par_affinity(image, w1=1e-9)
    with pytest.raises(ValueError, match='scale it down'):
        par_affinity(image * 1e12)
    with pytest.raises(ValueError, match='1 to 16 integers'):
        par_affinity(image, dilations=range(1, 200))


def test_terms_out_of_range():
    image, logits = data()
    unary = unary_from_prob(logits.softmax(dim=1))
    for change, message in (
        (dict(pos_w=3e38), 'pos_w'),
        (dict(extra_terms=None), 'pairs'),
        (dict(extra_terms=[image]), 'pairs'),
        (dict(iter_max=2**64), 'iter_max'),
    ):
        with pytest.raises(ValueError, match=message):
            dense_crf(image, unary, **IRN | change)


def test_no_iteration_gives_a_copy():
    image, logits = data()
    result = par_propagate(par_affinity(image), logits, num_iters=0)
    assert torch.equal(result, logits)
    assert result.data_ptr() != logits.data_ptr()


def test_second_derivative_of_par_is_refused():
    image, logits = data(5, 4, 2)
    leaf = logits.requires_grad_()
    result = par_propagate(par_affinity(image), leaf, num_iters=2)
    (grad,) = torch.autograd.grad(result.square().sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match='second derivative'):
        grad.sum().backward()


def test_mistakes_that_are_no_errors():
    image, logits = data()
    prob = logits.softmax(dim=1)
    with pytest.warns(UserWarning, match='0..255'):
        dense_crf(image / 255, unary_from_prob(prob), **IRN)
    with pytest.warns(UserWarning, match='unary_from_prob'):
        dense_crf(image, prob, **IRN)
    with pytest.raises(ValueError, match='permute'):
        par_affinity(torch.rand(1, 20, 24, 3))
