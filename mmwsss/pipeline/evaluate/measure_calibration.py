# Licensed under Apache-2.0.
"""Confidence against truth: what a network's probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cli.progress_bar import progress_bar
from mmwsss.evaluation.calibration import (
    NUM_BINS,
    CalibrationBins,
    calibration_bins,
    expected_calibration_error,
    overconfidence,
    pixel_bins,
)
from mmwsss.io.errors import UserError
from mmwsss.models.segmentors.post_processed import MASK_CLASSIFIERS
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap

#: what is measured: title of a table's row and of a picture
PIXELS, IMAGES = 'pixels', 'image labels'


@dataclass
class Calibration:
    """Predictions of a split by their confidence.

    Attributes:
        pictures: how many were predicted.
        bins: :data:`PIXELS` → pixels by the probability of the class that the
            segmentation gives them; :data:`IMAGES` → pairs of picture and class by the
            probability that the picture holds it, "right" where it does. What a
            network doesn't predict isn't there.
    """

    pictures: int = 0
    bins: dict[str, CalibrationBins] = field(default_factory=dict)

    def add(self, name: str, more: CalibrationBins) -> None:
        """Count further predictions."""
        self.bins[name] = self.bins[name] + more if name in self.bins else more

    def facts(self) -> dict[str, Any]:
        """All figures, for JSON; an empty bin has ``null``."""
        return {name: _facts(bins) for name, bins in self.bins.items()}


def _facts(bins: CalibrationBins) -> dict[str, Any]:
    def plain(values: Any) -> list[float | None]:
        return [None if v != v else round(float(v), 6) for v in values]

    total = max(bins.count.sum(), 1)
    return dict(
        ece=round(expected_calibration_error(bins), 6),
        overconfidence=round(overconfidence(bins), 6),
        mean_confidence=round(float(bins.confidence.sum() / total), 6),
        accuracy=round(float(bins.correct.sum() / total), 6),
        count=[int(n) for n in bins.count],
        bin_confidence=plain(bins.mean_confidence),
        bin_accuracy=plain(bins.accuracy),
    )


@torch.no_grad()
def measure_calibration(
    model: nn.Module, cfg: Config, limit: int | None = None, bins: int = NUM_BINS
) -> Calibration:
    """Predict a config's test split and sort all predictions by their confidence.

    Args:
        model: from :func:`.init_model`, of mmwsss or mmseg.
        cfg: with ``test_dataloader``.
        limit: at most so many pictures, the first.
        bins: of equal width.

    Raises:
        UserError: if the config has no test data, or there is nothing to compare with:
            no segmentation where there are masks, no classifier and no image labels;
            or the network's probabilities aren't those of its prediction.
    """
    if not cfg.get('test_dataloader'):
        raise UserError(f'{cfg.filename} has no test_dataloader to measure on')
    loader = Config(cfg.test_dataloader.to_dict())
    loader.update(num_workers=0, persistent_workers=False)
    if limit is not None:
        loader.dataset.indices = limit
    overrides = _overrides(model)
    found, batches = Calibration(), Runner.build_dataloader(loader)
    with progress_bar(len(batches.dataset)) as bar:
        for batch in batches:
            data = model.data_preprocessor(batch, False)
            for sample in model.predict(**data, **overrides):
                _count(found, sample, bins)
                bar.update()
    if not found.bins:
        raise UserError(
            'nothing to measure: confidence of pixels needs a decoder and masks, '
            'confidence of image labels a classifier and image labels'
        )
    return found


def _overrides(model: nn.Module) -> Mapping[str, Any]:
    """The decoder's probabilities alone: no CAM, no label of the truth.

    Raises:
        UserError: for a network of mmseg whose predictions aren't the largest of
            probabilities that sum to 1: refined, of one channel, or mask by mask.
    """
    inner = unwrap(model)
    if isinstance(inner, WeakSegmentor):
        return dict(outputs=('seg', 'prob') if inner.decode_head is not None else ())
    head = getattr(inner, 'decode_head', None)
    masks = any(kind.__name__ in MASK_CLASSIFIERS for kind in type(head).__mro__)
    if model is not inner or masks or getattr(head, 'out_channels', 2) == 1:
        raise UserError(
            f'{type(model).__name__} with a {type(head).__name__} gives no probability '
            'of the class that it predicts: measure a network of mmwsss, or one of '
            'mmseg with a channel for each class and without post-processor'
        )
    return {}


def _count(found: Calibration, sample: SegDataSample, bins: int) -> None:
    found.pictures += 1
    prob = _probabilities(sample)
    if prob is not None and 'gt_sem_seg' in sample:
        truth = sample.gt_sem_seg.data[0].to(prob.device)
        found.add(PIXELS, pixel_bins(prob, truth, bins))
    known = sample.get('labels_known', True)
    if known and 'pred_score' in sample and 'gt_score' in sample:
        score = sample.pred_score.float()
        holds = sample.gt_score.to(score.device) > 0
        found.add(IMAGES, calibration_bins(score, holds, bins))


def _probabilities(sample: SegDataSample) -> Tensor | None:
    if 'pred_prob' in sample:
        return sample.pred_prob.data.float()
    if 'seg_logits' in sample:
        return sample.seg_logits.data.float().softmax(0)
    return None
