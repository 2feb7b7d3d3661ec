# Licensed under Apache-2.0.
"""mIoU against the reference."""

import numpy as np
import pytest
import torch

from mmwsss.evaluation.areas import ClassAreas, areas_from_labels
from mmwsss.evaluation.scores import scores_from_areas


def total_areas(gts, preds, classes):
    total = ClassAreas.zeros(classes)
    for gt, pred in zip(gts, preds, strict=True):
        total += areas_from_labels(
            torch.from_numpy(gt).long(), torch.from_numpy(pred).long(), classes
        )
    return total


def test_scores(golden):
    g = golden('toco_scores')
    classes = int(g['num_classes'])
    scores = scores_from_areas(total_areas(g['gts'], g['preds'], classes))
    np.testing.assert_allclose(scores.pixel_acc, g['pAcc'], rtol=1e-6)
    np.testing.assert_allclose(scores.mean_acc, g['mAcc'], rtol=1e-6)
    np.testing.assert_allclose(scores.miou, g['miou'], rtol=1e-6)
    np.testing.assert_allclose(scores.iou, g['iou'], rtol=1e-6)
    np.testing.assert_allclose(
        scores.mean('iou', 'all'), np.nanmean(g['iou']), rtol=1e-6
    )
    total = sum(scores.mean(name) for name in ('iou', 'fp', 'fn'))
    assert total == pytest.approx(1)


def test_areas_are_margins_of_the_confusion_matrix(golden):
    """Rows = truth, columns = prediction, counted here pixel by pixel."""
    g = golden('toco_scores')
    classes = int(g['num_classes'])
    valid = (g['gts'] >= 0) & (g['gts'] < classes)
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (g['gts'][valid].astype(int), g['preds'][valid].astype(int)), 1)
    areas = total_areas(g['gts'], g['preds'], classes)
    np.testing.assert_array_equal(areas.correct, np.diag(matrix))
    np.testing.assert_array_equal(areas.predicted, matrix.sum(0))
    np.testing.assert_array_equal(areas.truth, matrix.sum(1))


def test_second_reference(golden):
    g = golden('fsr_metric')
    areas = total_areas([g['gt']], [g['pred']], int(g['num_classes']))
    scores = scores_from_areas(areas)
    np.testing.assert_allclose(scores.pixel_acc, g['f64_pixel_acc'], rtol=1e-9)
    np.testing.assert_allclose(scores.mean_acc, g['f64_mean_acc'], rtol=1e-9)
    np.testing.assert_allclose(scores.iou, g['f64_iou'], rtol=1e-9)
    np.testing.assert_allclose(scores.miou, g['f64_miou_valid'], rtol=1e-9)
