# Licensed under Apache-2.0.
"""Bins of confidence and the expected calibration error, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmwsss.evaluation.calibration import (
    CalibrationBins,
    calibration_bins,
    expected_calibration_error,
    overconfidence,
    pixel_bins,
)


def test_error_by_hand():
    """Two bins: 3 predictions of 0.8, 0.9, 1.0 of which 2 are right; one of 0.4."""
    found = calibration_bins(
        torch.tensor([0.8, 0.9, 1.0, 0.4]), torch.tensor([True, True, False, True]), 2
    )
    assert found.count.tolist() == [1, 3]
    np.testing.assert_allclose(found.accuracy, [1, 2 / 3])
    np.testing.assert_allclose(found.mean_confidence, [0.4, 0.9], rtol=1e-6)
    # 1/4 · |1 - 0.4| + 3/4 · |2/3 - 0.9|
    assert expected_calibration_error(found) == pytest.approx(0.15 + 0.175)
    assert overconfidence(found) == pytest.approx((3.1 - 3) / 4)


def test_borders_belong_to_the_bin_below():
    values = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=torch.float64)
    found = calibration_bins(values, torch.ones(5, dtype=torch.bool), 4)
    assert found.count.tolist() == [2, 1, 1, 1]


def test_parts_add_up_to_the_whole():
    confidence = torch.rand(100, generator=torch.Generator().manual_seed(0))
    correct = confidence > 0.3
    parts = CalibrationBins.zeros()
    for part in range(0, 100, 30):
        piece = slice(part, part + 30)
        parts += calibration_bins(confidence[piece], correct[piece])
    whole = calibration_bins(confidence, correct)
    np.testing.assert_allclose(parts.confidence, whole.confidence)
    assert expected_calibration_error(parts) == pytest.approx(
        expected_calibration_error(whole)
    )


def test_a_network_that_knows_its_chances_has_no_error():
    confidence = torch.full((1000,), 0.9)
    correct = torch.arange(1000) < 900
    error = expected_calibration_error(calibration_bins(confidence, correct))
    assert error == pytest.approx(0, abs=1e-6)


def test_ignored_pixels_do_not_count():
    prob = torch.tensor([[[0.85, 0.25, 0.5]], [[0.15, 0.75, 0.5]]])
    found = pixel_bins(prob, torch.tensor([[0, 0, 255]]), bins=10)
    assert found.count.sum() == 2
    assert found.count[8] == 1 and found.correct[8] == 1  # 0.85, right
    assert found.count[7] == 1 and found.correct[7] == 0  # 0.75, wrong


def test_nothing_counted_is_not_a_number():
    assert math.isnan(expected_calibration_error(CalibrationBins.zeros()))
    assert math.isnan(overconfidence(CalibrationBins.zeros()))


@pytest.mark.parametrize('value', [-0.1, 1.1, float('nan')])
def test_what_is_no_probability_is_refused(value):
    with pytest.raises(ValueError, match=r'must lie in \[0, 1\]'):
        calibration_bins(torch.tensor([value]), torch.tensor([True]))


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match='one shape'):
        calibration_bins(torch.zeros(2), torch.zeros(3, dtype=torch.bool))
