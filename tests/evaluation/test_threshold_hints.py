# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest

from mmwsss.evaluation.threshold_hints import (
    agreement_curve,
    class_scales,
    hint_of,
    quantile_points,
)


def test_kappa_by_hand() -> None:
    first = np.array([[0.1, 0.2, 0.6, 0.8]])
    second = np.array([[0.1, 0.6, 0.6, 0.9]])
    curve = agreement_curve(first, second)
    # above 0.5: 2 and 3 of 4 pixels, both 2; agree 3/4, by chance 1/2
    assert curve[50] == pytest.approx((3 / 4 - 1 / 2) / (1 / 2))
    assert curve[70] == pytest.approx(1)  # the last pixel alone
    # everything, or nothing, is above in both: nothing is told apart
    assert curve[0] == curve[5] == curve[95] == curve[100] == 0


def test_a_threshold_is_not_above_itself() -> None:
    score = np.array([[0.25, 0.5]], np.float32)
    curve = agreement_curve(score, score)
    assert curve[24] == 0 and curve[25] == 1 and curve[49] == 1 and curve[50] == 0


def test_is_the_kappa_of_sorted_pixels() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.uniform(size=(2, 30, 40))
    curve = agreement_curve(first, second)
    for index in (10, 33, 80):
        one, other = first > index / 100, second > index / 100
        agree = (one == other).mean()
        chance = one.mean() * other.mean() + (~one).mean() * (~other).mean()
        assert curve[index] == pytest.approx((agree - chance) / (1 - chance))


def test_views_of_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match='differ in size'):
        agreement_curve(np.zeros((2, 3)), np.zeros((3, 2)))


def test_low_and_high_lie_half_way_to_the_ends() -> None:
    curve = np.zeros(101)
    curve[40] = 0.3
    assert hint_of(curve) == pytest.approx((0.4, 0.2, 0.7))


def test_quantile_points_stand_for_the_pixels() -> None:
    maps = np.stack([np.arange(8.0).reshape(2, 4), np.full((2, 4), 3.0)])
    found = quantile_points(maps, 2)
    assert found.tolist() == [[1.75, 5.25], [3, 3]]


def test_scale_is_what_a_class_reaches_where_it_is() -> None:
    peaks = np.array([[4.0, 1.0, 0.0, 9.0], [6.0, 2.0, 0.0, 9.0], [0.5, 8.0, 5.0, 9.0]])
    present = np.array([[1, 0, 1, 0], [1, 0, 1, 0], [0, 1, 0, 0]], bool)
    assert class_scales(peaks, present)[:2].tolist() == [5, 8]
    # of one that is never active where it is, and of one that is nowhere, none is known
    assert np.isnan(class_scales(peaks, present)[2:]).all()
