# Licensed under Apache-2.0.
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_dist_info, master_only
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from mmwsss.cam import threshold_label
from mmwsss.io.image_files import output_stem
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import inside
from mmwsss.registry import METRICS

from .areas import ClassAreas, areas_from_labels
from .classification import average_precision, multilabel_f1
from .photo_areas import write_photo_areas
from .scores import AVERAGES, SegScores, scores_from_areas
from .sweep import SweepHistogram, default_thresholds, sweep_histogram
from .tables import class_table, summary_table

_LABELS = {'seg': 'pred_sem_seg', 'pseudo': 'pred_pseudo'}
_CAMS = {name: f'pred_{name}' for name in ('cam', 'aux_cam', 'lam', 'cam_lam')}


@METRICS.register_module()
class WSSSMetric(BaseMetric):
    """All figures of a weakly supervised run in one pass over the data.

    Scores whatever the samples carry: ``pred_sem_seg`` (any mmseg model has it),
    ``pred_cam``, ``pred_aux_cam``, ``pred_lam`` and ``pred_cam_lam`` (score and class
    per pixel), ``pred_pseudo`` (255 = ignored), ``pred_score`` (image-level
    probabilities). Values are percent.

    Keys for X in ``seg``, ``pseudo`` and these CAMs (``cam``, …): ``X_mIoU`` (see
    ``average``), ``X_FP``, ``X_FN`` (shares of the union that are wrongly claimed and
    missed); ``seg_pAcc``, ``seg_mAcc``; for CAMs ``X_oracle_mIoU`` and
    ``X_oracle_thr`` (the best threshold of a sweep, chosen *on the truth*);
    ``pseudo_labelled`` (share of pixels with a label; the pseudo-label scores regard
    those only); ``cls_F1``, ``cls_mAP``; ``images``: how many were scored.

    ``class_iou`` then holds the IoU of each class, ``{X: {class name: percent}}``.

    Args:
        bkg_thr: Fixed threshold of the CAM labels: background where score <= it.
        aux_bkg_thr: The same for the auxiliary CAM; default ``bkg_thr``.
        thresholds: Increasing thresholds of the sweep, default 0.00, 0.01, ..., 1.00.
        average: Which classes a mean is over: ``'present'`` in the truth (the usual
            published figure), ``'all'`` in truth or prediction, ``'fixed'`` every
            class, see :meth:`SegScores.mean`.
        cls_thr: Probability above which a class counts as predicted (F1).
        save_dir: Folder for palette PNG masks in the format of the annotations.
        save_what: Which output is saved: a key X of above.
        ignore_index: Label of pixels that don't count.
        areas_file: NPZ file for the counts of each image, see
            :func:`.write_photo_areas`; written by the first process.
        **kwargs: Of ``BaseMetric``.
    """

    default_prefix = ''

    def __init__(
        self,
        bkg_thr: float = 0.5,
        aux_bkg_thr: float | None = None,
        thresholds: Sequence[float] | None = None,
        average: str = 'present',
        cls_thr: float = 0.5,
        save_dir: str | None = None,
        save_what: str = 'seg',
        ignore_index: int = 255,
        areas_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault('prefix', None)
        super().__init__(**kwargs)
        if average not in AVERAGES:
            raise ValueError(f'average={average!r}: must be one of {AVERAGES}')
        if save_what not in (*_LABELS, *_CAMS):
            raise ValueError(
                f'save_what={save_what!r}: must be one of {(*_LABELS, *_CAMS)}'
            )
        self.thr = dict.fromkeys(_CAMS, bkg_thr)
        if aux_bkg_thr is not None:
            self.thr['aux_cam'] = aux_bkg_thr
        self.grid = (
            default_thresholds()
            if thresholds is None
            else np.asarray(thresholds, np.float32)
        )
        self.average = average
        self.cls_thr = cls_thr
        self.save_dir = save_dir
        self.save_what = save_what
        self.ignore_index = ignore_index
        self.areas_file = areas_file
        self.class_iou: dict[str, dict[str, float]] = {}

    @property
    def num_classes(self) -> int:
        """Classes of the data set, background included."""
        return len(self.dataset_meta['classes'])

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Score each image of a batch; one entry of ``results`` per image."""
        for sample in data_samples:
            if self.save_dir is not None:
                self._save(sample, self.save_dir)
            self.results.append(self._score(sample))

    def _score(self, sample: dict) -> dict[str, Any]:
        entry: dict[str, Any] = dict(name=output_stem(sample))
        score = sample.get('pred_score')
        if isinstance(score, Tensor) and sample.get('gt_score') is not None:
            entry['cls'] = (
                torch.stack([sample['gt_score'].to(score), score])
                .float()
                .cpu()
                .numpy()[:, None]
            )
        truth = _data(sample, 'gt_sem_seg')
        if truth is None:
            return entry
        truth = truth.masked_fill(truth == self.ignore_index, -1)
        for name in (*_LABELS, *_CAMS):
            label = self.label_map(sample, name)
            if label is not None:
                entry[name] = areas_from_labels(
                    truth.to(label.device), label, self.num_classes
                )
        for name, field in _CAMS.items():
            score, label = (_data(sample, field, key) for key in ('score', 'label'))
            if score is not None and label is not None:
                entry[f'{name}_sweep'] = sweep_histogram(
                    truth.to(label.device), score, label, self.num_classes, self.grid
                )
        return entry

    def label_map(self, sample: dict, name: str) -> Tensor | None:
        """Label map (H, W) of one output; CAMs at the fixed threshold."""
        if name in _LABELS:
            return _data(sample, _LABELS[name])
        score = _data(sample, _CAMS[name], 'score')
        if score is None:
            return None
        label = _data(sample, _CAMS[name], 'label')
        return threshold_label(score, label, self.thr[name])

    def _save(self, sample: dict, folder: str) -> None:
        label = self.label_map(sample, self.save_what)
        if label is None:
            raise KeyError(
                f'save_what={self.save_what!r}: the model returned no such '
                f'output (sample has {sorted(sample)}); add it to '
                'model.test_cfg.outputs'
            )
        save_label_png(
            label.cpu().numpy(),
            osp.join(folder, inside(f'{output_stem(sample)}.png')),
            self.dataset_meta.get('palette'),
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum what every process scored and compute the figures.

        A sampler pads the last round by repeating images so that all ranks have as
        many; rank r's j-th result belongs to image j·world + r, and those beyond
        ``size`` are dropped.

        Args:
            size: Images in the data set.

        Returns:
            The figures, the same on every rank.
        """
        rank, world = get_dist_info()
        mine = self.results[: len(range(rank, size, world))]
        self.results.clear()
        if self.areas_file is not None:
            self._write_areas(all_gather_object(mine), self.areas_file)
        metrics = self.compute_metrics(all_gather_object(self._sum(mine)))
        if self.prefix:
            metrics = {f'{self.prefix}/{k}': v for k, v in metrics.items()}
        return metrics

    @master_only
    def _write_areas(self, of_ranks: Sequence[Sequence[dict]], path: str) -> None:
        # rank r's j-th result belongs to image j * world + r
        rounds = zip_longest(*of_ranks)
        entries = [entry for one in rounds for entry in one if entry is not None]
        outputs = [n for n in (*_LABELS, *_CAMS) if entries and n in entries[0]]
        areas = {name: [entry[name] for entry in entries] for name in outputs}
        classes = [entry['cls'] for entry in entries if 'cls' in entry]
        write_photo_areas([entry['name'] for entry in entries], areas, path, classes)

    def _sum(self, results: Sequence[dict]) -> dict[str, Any]:
        total: dict[str, Any] = dict(images=0)
        for entry in results:
            total['images'] += entry.get('images', 1)
            for name, value in entry.items():
                if name in ('name', 'images'):
                    continue
                if name == 'cls':
                    total.setdefault(name, []).append(value)
                elif isinstance(value, ClassAreas):
                    total.setdefault(name, ClassAreas.zeros(self.num_classes))
                    total[name] += value
                elif name in total:
                    total[name] += value
                else:
                    total[name] = value.dense()
        if 'cls' in total:
            total['cls'] = np.concatenate(total['cls'], axis=1)
        return total

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Figures (percent) from the entries of all images or partial sums."""
        total = self._sum(results)
        scores = {
            name: scores_from_areas(total[name])
            for name in (*_LABELS, *_CAMS)
            if name in total
        }
        metrics = self._seg_metrics(scores)
        oracle = {}
        for name in _CAMS:
            if name in scores:
                best, oracle[f'{name}_oracle'] = self._best(total[f'{name}_sweep'])
                metrics[f'{name}_oracle_mIoU'] = self._miou(oracle[f'{name}_oracle'])
                metrics[f'{name}_oracle_thr'] = best
        if 'cls' in total:
            truth, probability = total['cls']
            metrics['cls_F1'] = 100 * multilabel_f1(truth, probability, self.cls_thr)
            ap = average_precision(truth, probability)
            metrics['cls_mAP'] = (
                100 * float(np.nanmean(ap)) if np.isfinite(ap).any() else float('nan')
            )
        self.class_iou = {
            name: dict(zip(self.dataset_meta['classes'], (100 * s.iou).tolist()))
            for name, s in scores.items()
        }
        self._log(scores, oracle, metrics)
        return metrics | dict(images=total['images'])

    def _seg_metrics(self, scores: dict[str, SegScores]) -> dict[str, float]:
        metrics = {}
        for name, s in scores.items():
            metrics[f'{name}_mIoU'] = self._miou(s)
            metrics[f'{name}_FP'] = 100 * s.mean('fp', self.average)
            metrics[f'{name}_FN'] = 100 * s.mean('fn', self.average)
        if 'seg' in scores:
            metrics['seg_pAcc'] = 100 * scores['seg'].pixel_acc
            metrics['seg_mAcc'] = 100 * scores['seg'].mean_acc
        if 'pseudo' in scores:
            metrics['pseudo_labelled'] = 100 * scores['pseudo'].labelled
        return metrics

    def _miou(self, scores: SegScores) -> float:
        return 100 * scores.mean('iou', self.average)

    def _best(self, sweep: SweepHistogram) -> tuple[float, SegScores]:
        """Best threshold of the sweep and the scores there."""
        rows = [scores_from_areas(sweep.areas(i)) for i in range(len(self.grid))]
        best = int(np.nanargmax([-1.0, *(self._miou(r) for r in rows)])) - 1
        best = max(best, 0)
        return round(float(self.grid[best]), 6), rows[best]

    def _log(
        self,
        scores: dict[str, SegScores],
        oracle: dict[str, SegScores],
        metrics: dict[str, float],
    ) -> None:
        if scores:
            at = {n: f'{t:g}' for n, t in self.thr.items()}
            at |= {n: f'{metrics[f"{n}_thr"]:g} (oracle)' for n in oracle}
            table = summary_table({**scores, **oracle}, at, self.average)
            print_log(
                'IoU per class (%)\n'
                + class_table(self.dataset_meta['classes'], scores),
                'current',
            )
            print_log(
                'Summary (%); "oracle" = threshold chosen on the truth\n' + table,
                'current',
            )
        if 'cls_F1' in metrics:
            print_log(
                f'Image labels: F1 {metrics["cls_F1"]:.2f}, '
                f'mAP {metrics["cls_mAP"]:.2f}',
                'current',
            )


def _data(sample: dict, field: str, key: str = 'data') -> Tensor | None:
    """(H, W) tensor ``sample[field][key]``, or None where the field is absent."""
    pixels = sample.get(field)
    if pixels is None:
        return None
    value = pixels[key] if isinstance(pixels, dict) else getattr(pixels, key)
    return value.squeeze(0) if value.dim() == 3 else value
