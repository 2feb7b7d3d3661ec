# Licensed under Apache-2.0.
"""Which class is taken for which, which stand together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.evaluation.areas import areas_from_labels
from mmwsss.evaluation.confusion import confusion_counts, pictures_together


def test_a_map_counted_by_hand() -> None:
    truth = torch.tensor([[0, 1, 1], [2, 255, -1]])
    label = torch.tensor([[0, 1, 2], [0, 1, 1]])
    expected = [[1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert confusion_counts(truth, label, 3).tolist() == expected


def test_it_agrees_with_the_areas() -> None:
    draw = torch.Generator().manual_seed(0)
    truth, label = (torch.randint(0, 5, (9, 7), generator=draw) for _ in range(2))
    label[0] = 255  # said nothing of
    table, areas = confusion_counts(truth, label, 4), areas_from_labels(truth, label, 4)
    assert (table.diagonal() == areas.correct).all()
    assert (table.sum(0) == areas.predicted).all()
    assert (table.sum(1) == areas.truth).all()


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r'\(2, 2\) and label \(3,\)'):
        confusion_counts(torch.zeros(2, 2), torch.zeros(3), 2)


def test_pictures_with_both_classes() -> None:
    table = pictures_together([(0,), (0, 2), (2, 0), (), (1,)], 4)
    assert table.tolist() == [[3, 0, 2, 0], [0, 1, 0, 0], [2, 0, 2, 0], [0, 0, 0, 0]]
    assert np.array_equal(pictures_together([], 2), np.zeros((2, 2)))
