# Licensed under Apache-2.0.
"""Counts of pseudo masks by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmwsss.evaluation.label_stats import LabelStats, mask_stats

MASK = np.array([[0, 0, 2, 255], [0, 3, 2, 255]], np.uint8)


def test_one_mask() -> None:
    got = mask_stats(MASK, 4, (1, 2))
    assert got.pixels.tolist() == [3, 0, 2, 1]
    assert got.images.tolist() == [1, 0, 1, 1]
    assert got.ignored.tolist() == [2, 0, 2, 2]
    assert got.area.tolist() == [8, 0, 8, 8]
    assert got.labelled.tolist() == [0, 1, 1, 0]
    assert got.lost.tolist() == [0, 1, 0, 0]
    assert got.foreign.tolist() == [0, 0, 0, 1]
    assert (got.masks, got.total, got.ignored_total) == (1, 8, 2)


def test_sums_and_shares() -> None:
    total = LabelStats.zeros(4)
    total += mask_stats(MASK, 4, (1, 2))
    total += mask_stats(np.full((2, 2), 1), 4, (1,))
    shares = total.shares()
    assert total.masks == 2 and total.total == 12
    np.testing.assert_allclose(shares['pixels'], np.array([3, 4, 2, 1]) / 12)
    np.testing.assert_allclose(shares['ignored'], [2 / 8, 0, 2 / 8, 2 / 8])
    np.testing.assert_allclose(shares['lost'], [np.nan, 0.5, 0, np.nan])


def test_without_labels_nothing_is_foreign() -> None:
    got = mask_stats(MASK, 4)
    assert not got.labelled.any() and not got.foreign.any() and not got.lost.any()
    nothing = mask_stats(MASK, 4, ())
    assert nothing.foreign.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize('labels', [(0, 1), (4,)])
def test_labels_are_classes(labels) -> None:
    with pytest.raises(ValueError, match=r'must be in 1\.\.3, got'):
        mask_stats(MASK, 4, labels)
