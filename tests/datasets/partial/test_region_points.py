# Licensed under Apache-2.0.
"""One disc at the most interior point of each region, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.datasets.partial.region_points import points_of_mask


def square(mask: np.ndarray, y: int, x: int, side: int, value: int) -> None:
    mask[y : y + side, x : x + side] = value


@pytest.fixture
def mask() -> np.ndarray:
    """Two regions of class 1, one of class 2, a border that doesn't count."""
    mask = np.zeros((40, 60), np.uint8)
    square(mask, 2, 2, 11, 1)
    square(mask, 20, 40, 9, 1)
    square(mask, 25, 5, 9, 2)
    mask[12, 2:13] = 255
    return mask


def test_the_middle_of_each_region(mask) -> None:
    known = points_of_mask(mask, radius=0)
    where = {i: np.argwhere(known == i).tolist() for i in (1, 2)}
    assert where[2] == [[29, 9]] and [24, 44] in where[1] and len(where[1]) == 2
    (y, x) = next(place for place in where[1] if place != [24, 44])
    assert y in (6, 7) and 6 <= x <= 8  # of 11 x 10 pixels
    assert (known == 0).sum() == 1 and (known == 255).sum() == known.size - 4


@pytest.mark.parametrize('radius', [1, 3, 20])
def test_discs_stay_in_their_region(mask, radius) -> None:
    known = points_of_mask(mask, radius)
    there = known != 255
    assert np.array_equal(known[there], mask[there])
    assert not there[mask == 255].any()
    if radius == 1:
        assert (known == 2).sum() == 5  # a cross


def test_the_border_of_the_picture_is_a_border() -> None:
    """The point of a region that fills the picture lies in its middle."""
    known = points_of_mask(np.full((9, 15), 3, np.uint8), radius=0)
    (place,) = np.argwhere(known == 3).tolist()
    assert place[0] == 4 and 4 <= place[1] <= 10


def test_small_regions() -> None:
    """They get none, but for a class that has no other."""
    mask = np.zeros((30, 30), np.uint8)
    square(mask, 0, 0, 10, 1)
    square(mask, 20, 20, 2, 1)
    square(mask, 20, 3, 2, 2)
    square(mask, 15, 12, 3, 2)
    known = points_of_mask(mask, radius=0, min_pixels=16)
    assert (known == 1).sum() == 1 and np.argwhere(known == 2).tolist() == [[16, 13]]


def test_the_background_gets_one() -> None:
    mask = np.zeros((20, 41), np.uint8)
    mask[:, 14] = 1  # parts the background in 14 and 26 columns
    known = points_of_mask(mask, radius=0, min_pixels=1)
    ((_, x),) = np.argwhere(known == 0).tolist()
    assert x > 14


def test_nothing_is_known_of_a_mask_of_255() -> None:
    assert (points_of_mask(np.full((4, 5), 255, np.uint8)) == 255).all()
