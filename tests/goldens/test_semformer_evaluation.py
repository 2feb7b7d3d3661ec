# Licensed under Apache-2.0.
"""The threshold sweep of CAMs against the reference, plain and eroded."""

import numpy as np
import pytest
import torch

from mmwsss.evaluation.erosion import erode_labels, eroded_score
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.evaluation.sweep import sweep_histogram


def images(g):
    """Score, class and truth of each image of the file."""
    for i in range(sum(name.startswith('hr_cam_') for name in g)):
        cam, keys = torch.from_numpy(g[f'hr_cam_{i}']), torch.from_numpy(g[f'keys_{i}'])
        score, channel = cam.max(0)
        yield score, keys.long()[1:][channel], torch.from_numpy(g[f'gt_{i}']).long()


@pytest.mark.parametrize('kind', ['plain', 'eroded'])
def test_sweep(golden, kind):
    g = golden('semformer_evaluation')
    num_classes = g[f'{kind}_iou'].shape[1]
    thresholds = g['thresholds'].astype(np.float32)
    total = None
    for score, label, truth in images(g):
        score = eroded_score(score, label) if kind == 'eroded' else score
        one = sweep_histogram(truth, score, label, num_classes, thresholds)
        if total is None:
            total = one.dense()
        else:
            total += one
    for i in range(len(thresholds)):
        s = scores_from_areas(total.areas(i))
        np.testing.assert_allclose(
            100 * np.nan_to_num(s.iou), g[f'{kind}_iou'][i], atol=1e-5
        )
        np.testing.assert_allclose(
            100 * s.mean('iou', 'fixed'), g[f'{kind}_miou'][i], rtol=1e-6
        )
        for name in ('fp', 'fn'):
            np.testing.assert_allclose(
                s.mean(name, 'fixed'), g[f'{kind}_{name}'][i], rtol=1e-6
            )


def test_erosion(golden):
    g = golden('semformer_evaluation')
    eroded = erode_labels(torch.from_numpy(g['erode_in']))
    np.testing.assert_array_equal(eroded.numpy(), g['erode_out'])
    assert (g['erode_in'] != g['erode_out']).any()
