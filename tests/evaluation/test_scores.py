# Licensed under Apache-2.0.
"""Scores of hand-made cases, classification scores, tables."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.evaluation.areas import ClassAreas, areas_from_labels
from mmwsss.evaluation.classification import average_precision, multilabel_f1
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.evaluation.tables import text_table


def test_absent_classes():
    """Class 2 is predicted but not there, class 3 is nowhere."""
    truth = torch.tensor([0, 0, 1, 1, 255])
    prediction = torch.tensor([0, 2, 1, 1, 3])
    s = scores_from_areas(areas_from_labels(truth, prediction, 4))
    assert s.miou == pytest.approx((0.5 + 1) / 2)
    assert s.mean('iou', 'all') == pytest.approx((0.5 + 1 + 0) / 3)
    assert s.mean('iou', 'fixed') == pytest.approx((0.5 + 1 + 0 + 0) / 4)
    with pytest.raises(ValueError, match="average 'x'"):
        s.mean('iou', 'x')
    assert np.isnan(s.iou[3])
    assert (s.mean('fp'), s.mean('fn')) == pytest.approx((0, 0.25))
    assert s.pixel_acc == pytest.approx(0.75)


def test_ignored_predictions_count_as_unlabelled():
    truth = torch.tensor([0, 0, 1, 1])
    s = scores_from_areas(areas_from_labels(truth, torch.tensor([0, 255, 1, 255]), 2))
    assert s.miou == 1 and s.labelled == 0.5


def test_nothing_at_all():
    s = scores_from_areas(ClassAreas.zeros(3))
    assert np.isnan(s.miou) and np.isnan(s.labelled)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_add_up(seed):
    rng = np.random.RandomState(seed)
    truth, prediction = torch.from_numpy(rng.randint(0, 5, (2, 9, 9)))
    s = scores_from_areas(areas_from_labels(truth, prediction, 5))
    for over in ('present', 'all'):
        total = sum(s.mean(name, over) for name in ('iou', 'fp', 'fn'))
        assert total == pytest.approx(1)


def test_bad_input():
    with pytest.raises(ValueError, match='size of the label'):
        areas_from_labels(torch.zeros(2, 2), torch.zeros(2, 3), 2)
    with pytest.raises(ValueError, match='images, classes'):
        multilabel_f1(np.zeros((2, 3)), np.zeros((2, 2)))


def test_average_precision():
    truth = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    score = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0.1, 0]])
    ap = average_precision(truth, score)
    assert ap[0] == pytest.approx((1 + 2 / 3) / 2) and np.isnan(ap[1])
    tied = average_precision(truth[:, :1], np.zeros((4, 1)))
    assert tied[0] == pytest.approx(0.5)


def test_f1():
    truth = np.array([[1, 0], [1, 1]])
    assert multilabel_f1(truth, np.array([[0.9, 0.6], [0.4, 0.8]])) == pytest.approx(
        2 * 2 / (2 * 2 + 1 + 1)
    )
    assert np.isnan(multilabel_f1(np.zeros((1, 2)), np.zeros((1, 2))))


def test_table_is_markdown():
    lines = text_table(['a', 'b'], [['x', '1.00'], ['long', '2']]).split('\n')
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == '| ---- | ---: |'
