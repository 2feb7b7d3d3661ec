# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmwsss.registry import METRICS

from .classification import image_average_precision


@METRICS.register_module()
class ClassSimilarityMetric(BaseMetric):
    """How well similarities tell the classes of an image (SemFormer's auto-encoder).

    Reads ``pred_similarity`` (K,), background first, and the image labels; no pixel
    label. Keys: ``sim_mAP`` (percent), see
    ``image_average_precision``, at the best threshold,
    ``sim_thr``. For a checkpoint chosen by it:
    ``default_hooks.checkpoint.save_best=sim_mAP``.

    Args:
        thresholds: of the sweep, default 0.01, 0.02, ..., 0.99.
        **kwargs: of ``BaseMetric``.
    """

    default_prefix = ''

    def __init__(
        self, thresholds: Sequence[float] | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault('prefix', None)
        super().__init__(**kwargs)
        self.thresholds = np.asarray(
            np.arange(1, 100) / 100 if thresholds is None else thresholds
        )

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep labels and similarities of each image, (2, K)."""
        for sample in data_samples:
            similarity = sample['pred_similarity'].float().cpu().numpy()
            truth = np.append(1.0, sample['gt_score'].cpu().numpy())
            self.results.append(np.stack([truth, similarity]))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The figures of all images."""
        truth, similarity = np.stack(results, 1)
        scores = image_average_precision(truth, similarity, self.thresholds)
        best = int(scores.argmax())
        return dict(
            sim_mAP=100 * float(scores[best]), sim_thr=float(self.thresholds[best])
        )
