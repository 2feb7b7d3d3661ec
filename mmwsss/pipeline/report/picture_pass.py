# Licensed under Apache-2.0.
"""One pass of a network over test pictures: counts of all, numbers of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config
from mmseg.structures import SegDataSample

from mmwsss.cli.inference_options import wsss_metric
from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.calibration import CalibrationBins, pixel_bins
from mmwsss.evaluation.classification import average_precision, multilabel_f1
from mmwsss.evaluation.confusion import confusion_counts
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.evaluation.sweep import SweepHistogram
from mmwsss.evaluation.uncertainty import label_contradiction
from mmwsss.evaluation.wsss_metric import WSSSMetric
from mmwsss.io.known_labels import labels_known
from mmwsss.registry import METRICS

from .network_runner import NetworkRunner
from .scored_picture import ScoredPicture

#: outputs in the order in which a report is about them
OUTPUTS = ('seg', 'cam', 'pseudo', 'aux_cam')


@dataclass
class PicturePass:
    """What came of the pictures.

    Attributes:
        classes: K names, background first.
        total: pictures of the data set.
        split: how it is called.
        pictures: those that were predicted.
        areas: output → counts of each class.
        sweeps: CAM → histogram of its scores.
        thresholds: CAM → threshold that its labels are scored at.
        grid: thresholds of the sweeps.
        main: the output that the report is about, ``''`` without masks.
        confusion: (K, K) int64 of that output, see :func:`.confusion_counts`.
        image_scores: of image labels, percent: ``F1``, ``mAP``.
        calibration: pixels by the probability of the class that the decoder gives
            them; ``None`` without a decoder or masks.
    """

    classes: tuple[str, ...]
    total: int
    split: str
    pictures: list[ScoredPicture] = field(default_factory=list)
    areas: dict[str, ClassAreas] = field(default_factory=dict)
    sweeps: dict[str, SweepHistogram] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    grid: np.ndarray = field(default_factory=lambda: np.zeros(0))
    main: str = ''
    confusion: np.ndarray | None = None
    image_scores: dict[str, float] = field(default_factory=dict)
    calibration: CalibrationBins | None = None

    @property
    def names(self) -> list[str]:
        """Of the pictures."""
        return [picture.name for picture in self.pictures]

    def sweep(self, name: str) -> list[float]:
        """mIoU of a CAM in percent at each threshold of the grid."""
        rows = (self.sweeps[name].areas(i) for i in range(len(self.grid)))
        return [100 * scores_from_areas(row).mean() for row in rows]


def metric_of(cfg: Config, meta: Mapping[str, Any]) -> WSSSMetric:
    """The metric of the config's test, which writes nothing; else one by default."""
    entry = dict(wsss_metric(cfg) or dict(type='mmwsss.WSSSMetric'))
    for key in ('save_dir', 'areas_file'):
        entry.pop(key, None)
    metric = METRICS.build(entry)
    metric.dataset_meta = dict(meta)
    return metric


def run_pass(runner: NetworkRunner, cfg: Config) -> PicturePass:
    """Predict and score all pictures of the runner's test set.

    Args:
        runner: with the network.
        cfg: whose metric scores.
    """
    picture_set, meta = runner.picture_set, runner.picture_set.dataset.metainfo
    metric, classes = metric_of(cfg, meta), tuple(meta['classes'])
    found = PicturePass(classes, picture_set.total, picture_set.split, grid=metric.grid)
    found.thresholds = dict(metric.thr)
    cls = []
    for index, sample in runner.samples():
        metric.process({}, [sample.to_dict()])
        entry = metric.results.pop()
        _add_counts(found, entry)
        if 'cls' in entry:
            cls.append(entry['cls'])
        found.main = found.main or next((o for o in OUTPUTS if o in entry), '')
        if found.main:
            _add_confusion(found, metric, sample)
        _add_calibration(found, runner, metric, sample)
        found.pictures.append(_picture(runner, found, entry, index, sample))
    found.pictures.sort(key=lambda picture: picture.index)
    if cls and picture_set.labelled:
        truth, probability = np.concatenate(cls, axis=1)
        precision = average_precision(truth, probability)
        if np.isfinite(precision).any():
            found.image_scores = dict(
                mAP=100 * float(np.nanmean(precision)),
                F1=100 * multilabel_f1(truth, probability, metric.cls_thr),
            )
    return found


def _add_counts(found: PicturePass, entry: Mapping[str, Any]) -> None:
    for name, value in entry.items():
        if isinstance(value, ClassAreas):
            total = found.areas.setdefault(name, ClassAreas.zeros(len(found.classes)))
            total += value
        elif isinstance(value, SweepHistogram):
            key = name.removesuffix('_sweep')
            if key in found.sweeps:
                found.sweeps[key] += value
            else:
                found.sweeps[key] = value.dense()


def _add_confusion(
    found: PicturePass, metric: WSSSMetric, sample: SegDataSample
) -> None:
    label = metric.label_map(sample.to_dict(), found.main)
    if label is None or 'gt_sem_seg' not in sample:
        return
    truth = sample.gt_sem_seg.data.squeeze(0).to(label.device)
    truth = truth.masked_fill(truth == metric.ignore_index, -1)
    counts = confusion_counts(truth, label, len(found.classes))
    found.confusion = counts if found.confusion is None else found.confusion + counts


def _add_calibration(
    found: PicturePass,
    runner: NetworkRunner,
    metric: WSSSMetric,
    sample: SegDataSample,
) -> None:
    if 'seg_logits' not in sample or 'gt_sem_seg' not in sample:
        return
    prob = runner.probabilities(sample)
    assert prob is not None
    truth = sample.gt_sem_seg.data.squeeze(0).to(prob.device)
    bins = pixel_bins(prob, truth, ignore_index=metric.ignore_index)
    found.calibration = bins if found.calibration is None else found.calibration + bins


def _picture(
    runner: NetworkRunner,
    found: PicturePass,
    entry: Mapping[str, Any],
    index: int,
    sample: SegDataSample,
) -> ScoredPicture:
    areas, nan = entry.get(found.main), float('nan')
    labels = known_labels(runner.picture_set.dataset.get_data_info(index))
    prob = runner.probabilities(sample)
    doubt, contradicted = nan, 0
    if labels is not None and 'pred_score' in sample:
        doubt, contradicted = label_contradiction(sample.pred_score, labels)
    return ScoredPicture(
        entry['name'],
        index,
        labels,
        scores_from_areas(areas).mean('iou', 'all') if areas is not None else nan,
        float(prob.amax(0).mean()) if prob is not None else nan,
        None
        if areas is None
        else np.stack([areas.correct, areas.predicted, areas.truth]),
        doubt,
        contradicted,
    )


def known_labels(info: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Class ids 1..C of a picture's image label; ``None``: nobody knows."""
    if 'gt_labels' not in info or not labels_known(info):
        return None
    return tuple(channel + 1 for channel in info['gt_labels'])
