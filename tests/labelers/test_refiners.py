# Licensed under Apache-2.0.
"""Refiners as registered modules: ``(images, maps) → maps``."""

from __future__ import annotations

import pytest
import torch

from mmwsss.ops import (
    DENSE_CRF_PRESETS,
    dense_crf,
    dense_crf_labels,
    par,
    unary_from_labels,
    unary_from_prob,
)
from mmwsss.registry import MODELS


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (1, 3, 10, 12), generator=generator).float()
    logits = torch.randn(1, 4, 10, 12, generator=generator)
    return image, logits.softmax(1)


def test_par_from_a_config() -> None:
    image, prob = data()
    settings = dict(type='PAR', dilations=(1, 2), num_iters=3)
    module = MODELS.build(settings | dict(whole_levels=False))
    assert torch.equal(module(image, prob), par(image, prob, (1, 2), 3))
    assert not module.state_dict()
    released = MODELS.build(settings)  # truncated, in [0, 1]
    want = par(image / 255, prob, (1, 2), 3)
    assert torch.equal(released(image + 0.4, prob), want)
    assert (released.downscale, released.per_channel) == (2, True)


@pytest.mark.parametrize('preset', DENSE_CRF_PRESETS)
def test_dense_crf_presets(preset: str) -> None:
    image, prob = data()
    module = MODELS.build(dict(type='DenseCRF', preset=preset, iter_max=2))
    out = module(image, prob)
    settings = DENSE_CRF_PRESETS[preset] | dict(iter_max=2)
    assert torch.equal(out, dense_crf(image, unary_from_prob(prob), **settings))
    torch.testing.assert_close(out.sum(1), torch.ones(1, 10, 12))


def test_dense_crf_takes_whole_grey_levels() -> None:
    """De-normalised pixels are a little off their level: they are rounded."""
    image, prob = data()
    module = MODELS.build(dict(type='DenseCRF', iter_max=2))
    assert torch.equal(module(image + 1e-3, prob), module(image, prob))


def test_dense_crf_of_hard_labels() -> None:
    """All L labels count in the confidence, also those of no pixel."""
    image, prob = data()
    prob[:, 2] = 0
    module = MODELS.build(
        dict(type='DenseCRF', preset='irn', unary='labels', confidence=0.6, iter_max=2)
    )
    out, labels = module(image, prob), prob.argmax(1)
    settings = DENSE_CRF_PRESETS['irn'] | dict(iter_max=2)
    assert torch.equal(out, dense_crf_labels(image, labels, 4, 0.6, **settings))
    unary = unary_from_labels(labels, 4, 0.6)
    torch.testing.assert_close(out, dense_crf(image, unary, **settings))
    with pytest.raises(ValueError, match="got 'cam'"):
        MODELS.build(dict(type='DenseCRF', unary='cam'))


def test_more_labels_than_maps() -> None:
    """The maps of the image are rows of the run with all labels."""
    image, prob = data()
    settings = dict(preset='smaf_pseudo', unary='labels')
    module = MODELS.build(dict(type='DenseCRF', num_labels=21, **settings))
    out = module(image, prob)
    full = dense_crf_labels(
        image, prob.argmax(1), 21, 0.7, **DENSE_CRF_PRESETS['smaf_pseudo']
    )
    assert torch.equal(out, full[:, :4]) and (out.argmax(1) == full.argmax(1)).all()
    start = MODELS.build(dict(type='DenseCRF', num_labels=21, iter_max=0, **settings))
    found = start(image, prob)  # the softmax of the unary energies
    torch.testing.assert_close(found.amax(1), torch.full((1, 10, 12), 0.7))
    torch.testing.assert_close(found.amin(1), torch.full((1, 10, 12), 0.3 / 20))
    with pytest.raises(ValueError, match='4 maps are more than num_labels=3'):
        MODELS.build(dict(type='DenseCRF', num_labels=3, **settings))(image, prob)
    with pytest.raises(ValueError, match="num_labels=21 is for unary='labels'"):
        MODELS.build(dict(type='DenseCRF', num_labels=21))


@pytest.mark.parametrize(
    'settings',
    [
        dict(bi_xy_std=[80, 60], bi_rgb_std=[5, 5, 9]),
        dict(pos_w=[1, 2, 3, 4]),
        dict(bi_w=(1 - torch.eye(4)).tolist()),
        dict(bi_w=0),
        dict(mode='exact'),
    ],
)
def test_settings_of_each_term(settings: dict) -> None:
    """Lists, as configs hold them."""
    image, prob = data()
    plain = MODELS.build(dict(type='DenseCRF', iter_max=2))(image, prob)
    module = MODELS.build(dict(type='DenseCRF', iter_max=2, **settings))
    out = module(image, prob)
    assert not torch.equal(out, plain)
    torch.testing.assert_close(out.sum(1), torch.ones(1, 10, 12))


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="'toco_seg'.*got 'best'"):
        MODELS.build(dict(type='DenseCRF', preset='best'))


def test_dense_crf_names_an_unknown_setting() -> None:
    with pytest.raises(ValueError, match='sigma'):
        MODELS.build(dict(type='DenseCRF', sigma=3))
