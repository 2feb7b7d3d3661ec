# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import pytest

from mmwsss.evaluation.diverse_order import uncertain_and_unlike


def at(*degrees: float) -> np.ndarray:
    """Features of any length in these directions."""
    angle = np.deg2rad(degrees)
    return (
        np.stack([np.cos(angle), np.sin(angle)], 1)
        * np.arange(1, 1 + len(angle))[:, None]
    )


def test_a_copy_comes_last() -> None:
    scores = np.array([0.9, 0.9, 0.2, 0.5])
    picked, distances = uncertain_and_unlike(scores, at(0, 0, 180, 90), 4)
    # 0.5 * sqrt 2 is more than 0.2 * 2; the copy of the first has the distance 0
    assert picked == [0, 3, 2, 1]
    assert distances == [np.inf, *map(pytest.approx, (2**0.5, 2**0.5, 0))]


def test_an_unlike_one_comes_before_a_more_uncertain_one() -> None:
    picked, _ = uncertain_and_unlike(np.array([0.9, 0.8, 0.3]), at(0, 5, 180), 2)
    assert picked == [0, 2]


def test_equal_features_are_ordered_by_score() -> None:
    picked, _ = uncertain_and_unlike(np.array([0.1, 0.3, 0.2]), at(0, 0, 0), 9)
    assert picked == [1, 2, 0]


def test_refused() -> None:
    with pytest.raises(ValueError, match='2 scores and 3 features'):
        uncertain_and_unlike(np.ones(2), at(0, 1, 2), 1)
    for wrong in (-1.0, np.nan):
        with pytest.raises(ValueError, match='numbers >= 0'):
            uncertain_and_unlike(np.array([wrong]), at(0), 1)
    assert uncertain_and_unlike(np.ones(0), np.ones((0, 2)), 3) == ([], [])
