# Licensed under Apache-2.0.
"""Rare classes: which they are, how often their pictures come, what is said."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.datasets.data_summary import summarise
from mmwsss.datasets.rare_classes import (
    class_factors,
    draw_ends,
    drawn,
    labels_of,
    picture_factors,
    rare_channels,
    usual_share,
)
from mmwsss.datasets.shapes.rare_list import rare_lines
from mmwsss.io.errors import UserError

FACTORS = np.array([1.0, 1.0, 7.07, 1.0, 2.5, 1.0])


def test_factors_by_hand():
    shares = np.array([0.36, 0.04, 0.0, 0.09])
    factors = class_factors(shares, 0.36)
    np.testing.assert_allclose(factors, [1, 3, 1, 2])
    assert usual_share(shares) == 0.09 and usual_share(np.zeros(2)) == 1
    pictures = picture_factors([(0,), (0, 1), (), (3, 1), (3,)], factors)
    np.testing.assert_allclose(pictures, [1, 3, 1, 3, 2])
    assert picture_factors([(), ()], factors).tolist() == [1, 1]


@pytest.mark.parametrize('offset', [0.0, 0.3, 0.999999])
def test_an_epoch_has_each_picture_as_often_as_its_factor(offset):
    ends = draw_ends(FACTORS)
    assert ends[-1] == 14  # 13.57 rounded up
    items = drawn(ends, offset)
    times = np.bincount(items, minlength=6)
    assert len(items) == 14
    stretched = FACTORS * 14 / FACTORS.sum()
    assert (np.abs(times - stretched) < 1).all() and times.min() >= 1


def test_over_epochs_the_factors_are_exact():
    ends = draw_ends(FACTORS)
    times = sum(np.bincount(drawn(ends, i / 1000), minlength=6) for i in range(1000))
    np.testing.assert_allclose(times / 1000, FACTORS * 14 / FACTORS.sum(), atol=2e-3)


def test_without_rare_classes_each_comes_once():
    ends = draw_ends(np.ones(1000))
    for offset in (0.0, 0.5, 0.9999999):
        assert drawn(ends, offset).tolist() == list(range(1000))


def test_which_are_rare_and_what_is_said():
    assert rare_channels(np.array([100, 4, 5, 0])) == [1]
    assert rare_channels(np.array([], np.int64)) == []
    labels = [(0,)] * 50 + [(1,)] + [(2,)] * 3
    infos = [dict(gt_labels=one, img_path=f'x/{i}') for i, one in enumerate(labels)]
    found = summarise(infos, 'abc', look=False)
    (told,) = found.warnings()
    assert "few pictures of 'b' (1; 'a' has 50): " in told
    assert 'sampler.class_balanced=True or model.losses.cls.pos_weight' in told
    assert not found.warnings(rare=False)
    assert not summarise(infos[40:], 'abc', look=False).warnings()


def test_labels_are_needed():
    with pytest.raises(ValueError, match='list gives no image labels'):
        labels_of([1, 2])


def test_a_list_in_which_a_class_is_rare():
    lines = [f'{i} a' for i in range(100)] + [f'{i} b c' for i in range(100, 120)]
    kept = rare_lines(lines, 'c')
    assert kept == lines[:102]
    assert rare_lines(lines[::-1], 'c', ratio=100) == [lines[-1], *lines[99::-1]]
    assert rare_lines(['0 c', '1 c'], 'c') == ['0 c']
    with pytest.raises(UserError, match=r"class 'd'; there are \['a', 'b', 'c'\]"):
        rare_lines(lines, 'd')
