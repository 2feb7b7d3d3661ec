# Licensed under Apache-2.0.
"""The score of SemFormer's auto-encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.evaluation.class_similarity_metric import ClassSimilarityMetric
from mmwsss.evaluation.classification import average_precision, image_average_precision

RNG = np.random.default_rng(0)
TRUTH = np.concatenate([np.ones((9, 1)), RNG.random((9, 6)) > 0.6], 1)
SCORE = RNG.random((9, 7))


def test_closed_form() -> None:
    """As the average precision of ranked decisions, image by image."""
    thresholds = np.array([0.01, 0.3, 0.5, 0.9, 0.999])
    expected = [
        average_precision(TRUTH.T, (t < SCORE.T).astype(float)).mean()
        for t in thresholds
    ]
    found = image_average_precision(TRUTH, SCORE, thresholds)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_perfect_similarities() -> None:
    assert image_average_precision(TRUTH, 0.8 * TRUTH, np.array([0.5])) == [1.0]


def test_metric() -> None:
    metric = ClassSimilarityMetric()
    for truth, score in zip(TRUTH, SCORE):
        metric.process(
            None,
            [
                dict(
                    gt_score=torch.from_numpy(truth[1:]),
                    pred_similarity=torch.tensor(score),
                )
            ],
        )
    found = metric.evaluate(len(TRUTH))
    sweep = image_average_precision(TRUTH, SCORE.astype(np.float32), metric.thresholds)
    assert found['sim_mAP'] == pytest.approx(100 * sweep.max())
    assert found['sim_thr'] == metric.thresholds[sweep.argmax()]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match='must both be'):
        image_average_precision(TRUTH, SCORE[:, 1:], np.array([0.5]))
