# Licensed under Apache-2.0.
"""The threshold sweep of CAMs against the reference, without erosion."""

import numpy as np
import torch

from mmwsss.evaluation import scores_from_areas, sweep_histogram


def test_sweep(golden):
    g = golden('semformer_evaluation')
    thresholds = g['thresholds'].astype(np.float32)
    total = None
    for i in range(3):
        cam, keys = torch.from_numpy(g[f'hr_cam_{i}']), torch.from_numpy(g[f'keys_{i}'])
        score, channel = cam.max(0)
        label = keys.long()[1:][channel]
        truth = torch.from_numpy(g[f'gt_{i}']).long()
        one = sweep_histogram(truth, score, label, 21, thresholds)
        if total is None:
            total = one.dense()
        else:
            total += one
    for i in range(len(thresholds)):
        s = scores_from_areas(total.areas(i))
        np.testing.assert_allclose(
            100 * np.nan_to_num(s.iou), g['plain_iou'][i], atol=1e-5
        )
        np.testing.assert_allclose(
            100 * s.mean('iou', 'fixed'), g['plain_miou'][i], rtol=1e-6
        )
        np.testing.assert_allclose(s.mean('fp', 'fixed'), g['plain_fp'][i], rtol=1e-6)
        np.testing.assert_allclose(s.mean('fn', 'fixed'), g['plain_fn'][i], rtol=1e-6)
