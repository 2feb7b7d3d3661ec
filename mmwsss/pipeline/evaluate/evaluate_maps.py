# Licensed under Apache-2.0.
"""Score a folder of CAM files or label masks against pixel labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmwsss.cam import strongest_class
from mmwsss.datasets.side_inputs.ids_kind import check_mask, decode_mask
from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.evaluation.areas import ClassAreas, areas_from_labels
from mmwsss.evaluation.boundary import BoundaryScores, boundary_scores
from mmwsss.evaluation.erosion import eroded_score
from mmwsss.evaluation.scores import SegScores, scores_from_areas
from mmwsss.evaluation.sweep import default_thresholds, sweep_histogram
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.pictures.reader import read_pixels
from mmwsss.io.score_files import load_scores
from mmwsss.labelers.labeler import Labeler, labels_of_ids
from mmwsss.pipeline.label_options import (
    build_labeler,
    labeler_cfg,
    refiner_cfg,
    without_side_inputs,
)
from mmwsss.pipeline.workers import parallel_map

KINDS = ('cam', 'mask')
IGNORE = 255
_BOUNDARY = 'boundary'


class EvalTask(NamedTuple):
    """One image: its maps and what is needed to read its truth and its picture."""

    maps: str
    truth: dict[str, Any]


@dataclass(frozen=True)
class EvalCfg:
    """How maps are scored.

    Attributes:
        num_classes: C + 1, background included.
        kind: ``'cam'`` (files of scores, every threshold) or ``'mask'`` (labels as they
            are; 255 is not scored).
        thresholds: of the background, increasing.
        erode: score eroded labels too (SemFormer's release), of CAMs only.
        crf: preset of a dense CRF on the CAM at each threshold, or ``None``.
        unary: of the CRF, ``'labels'`` or ``'prob'``.
        all_labels: the CRF on hard labels counts all classes (SMAF), not only those of
            the image.
        labeler: config of a labeler with a ``bkg_thr`` instead, whose labels are scored
            at each threshold.
        boundary: score the contours of masks too, see :func:`.boundary_scores`.
    """

    num_classes: int
    kind: str = 'cam'
    thresholds: tuple[float, ...] = field(
        default_factory=lambda: tuple(default_thresholds().tolist())
    )
    erode: bool = False
    crf: str | None = None
    unary: str = 'labels'
    all_labels: bool = False
    labeler: Mapping[str, Any] | None = None
    boundary: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'kind must be one of {KINDS}, got {self.kind!r}')
        refined = self.crf is not None or self.labeler is not None
        if self.erode and (self.kind != 'cam' or refined):
            raise ValueError('eroded scoring is for CAMs without a CRF, as published')
        if refined and self.kind != 'cam':
            raise ValueError(
                'the CRF and labelers are for CAMs; masks are scored as they are'
            )
        if self.boundary and self.kind != 'mask':
            raise ValueError(
                'contours are scored of masks: generate some (--save mask), and score '
                "those (kind 'mask')"
            )
        if self.crf is not None and self.labeler is not None:
            raise ValueError('labeler says what crf does: leave one of both out')
        if self.all_labels and (self.crf is None or self.unary != 'labels'):
            raise ValueError(
                "all_labels counts the labels of the CRF: give crf, with unary='labels'"
            )
        if not self.thresholds or np.any(np.diff(self.thresholds) <= 0):
            raise ValueError(f'thresholds must increase, got {self.thresholds}')
        if self.built_labeler is not None:
            self.built_labeler.with_thresholds(bkg_thr=self.thresholds[0])

    @cached_property
    def built_labeler(self) -> Labeler | None:
        """What makes a label of a CAM at a threshold, if it isn't the threshold alone.

        Raises:
            ValueError: if it takes what a folder of maps doesn't have.
        """
        if self.crf is None and self.labeler is None:
            return None
        count = self.num_classes if self.all_labels else None
        labeler = build_labeler(
            self.labeler
            or labeler_cfg(
                (0.5,), None, refiner_cfg('crf', self.crf, self.unary, count)
            )
        )
        return without_side_inputs(labeler, 'generate masks with it, and score those')


@dataclass
class EvalResult:
    """Scores at every threshold, by kind of scoring (``'raw'``, ``'eroded'``).

    Attributes:
        images: number of images.
        thresholds: (N,), or empty for masks.
        rows: N scores for each kind, one for masks.
        boundary: of the contours of masks, where asked for.
    """

    images: int
    thresholds: tuple[float, ...]
    rows: dict[str, list[SegScores]]
    boundary: BoundaryScores | None = None

    def best(self, scoring: str = 'raw') -> int:
        """Index of the threshold with the largest mIoU; the lowest of equal ones."""
        means = [row.mean('iou', 'fixed') for row in self.rows[scoring]]
        return int(np.nanargmax(means))


def parse_thresholds(text: str) -> tuple[float, ...]:
    """``'low:high:step'``, both ends included, or numbers with commas.

    Raises:
        ValueError: if it is neither, or not in [0, 1].
    """
    try:
        if ':' in text:
            low, high, step = map(float, text.split(':'))
            values = low + step * np.arange(round((high - low) / step) + 1)
        else:
            values = np.array([float(part) for part in text.split(',')])
    except (ValueError, ZeroDivisionError):
        values = np.array([])
    if not values.size or values.min() < 0 or values.max() > 1 + 1e-9:
        raise ValueError(
            'thresholds must be low:high:step or numbers with commas, in '
            f'[0, 1], got {text!r}'
        )
    return tuple(np.round(values, 6).astype(np.float32).tolist())


def evaluate_maps(
    tasks: Sequence[EvalTask], cfg: EvalCfg, workers: int = 0
) -> EvalResult:
    """Score all images in one pass over the files, whatever the number of thresholds.

    Args:
        tasks: the images.
        cfg: how.
        workers: processes; 0 or 1: this one.

    Raises:
        DataError: naming a file that is broken or doesn't fit.
    """
    one = partial(
        score_mask
        if cfg.kind == 'mask'
        else score_cam
        if cfg.built_labeler is None
        else score_refined_cam,
        cfg,
    )
    found = parallel_map(one, tasks, workers, (__name__,))
    boundary = BoundaryScores() if cfg.boundary else None
    for entry in found if boundary is not None else ():
        boundary += entry.pop(_BOUNDARY)
    rows = {
        scoring: _rows([entry[scoring] for entry in found], cfg) for scoring in found[0]
    }
    return EvalResult(
        len(tasks), () if cfg.kind == 'mask' else cfg.thresholds, rows, boundary
    )


def _rows(entries: Sequence[Any], cfg: EvalCfg) -> list[SegScores]:
    """Totals over the images, then the scores of each threshold."""
    if isinstance(entries[0], list):
        totals = [ClassAreas.zeros(cfg.num_classes) for _ in entries[0]]
        for entry in entries:
            for total, areas in zip(totals, entry, strict=True):
                total += areas
        return [scores_from_areas(total) for total in totals]
    total = entries[0].dense()
    for entry in entries[1:]:
        total += entry
    return [scores_from_areas(total.areas(i)) for i in range(len(cfg.thresholds))]


# ---------------------------------------------------------------------- one image
def score_cam(cfg: EvalCfg, task: EvalTask) -> dict[str, Any]:
    """Histogram of a CAM over all thresholds, raw and, if asked for, eroded."""
    truth = read_truth(task.truth)
    score, label = _best_class(task, tuple(truth.shape), cfg.num_classes)
    grid = np.asarray(cfg.thresholds, np.float32)
    scored = dict(raw=score) | (
        dict(eroded=eroded_score(score, label)) if cfg.erode else {}
    )
    return {
        name: sweep_histogram(truth, one, label, cfg.num_classes, grid)
        for name, one in scored.items()
    }


def _best_class(
    task: EvalTask, size: tuple[int, int], num_classes: int
) -> tuple[Tensor, Tensor]:
    maps = load_scores(task.maps, 'cam', size)
    _check_ids(task.maps, maps.ids, num_classes)
    score, label = strongest_class(
        torch.from_numpy(maps.scores)[None], torch.from_numpy(maps.ids)[None]
    )
    return score[0], label[0]


def _check_ids(path: str, ids: np.ndarray, num_classes: int) -> None:
    if ids.max(initial=0) >= num_classes:
        raise DataError(
            path,
            f'has maps of class {ids.max()}, the data set ends with {num_classes - 1}',
            'give the classes of this data set',
        )


@torch.no_grad()
def score_refined_cam(cfg: EvalCfg, task: EvalTask) -> dict[str, list[ClassAreas]]:
    """Areas of the refined label at each threshold."""
    truth = read_truth(task.truth)
    maps = load_scores(task.maps, 'cam', tuple(truth.shape))
    _check_ids(task.maps, maps.ids, cfg.num_classes)
    pixels = read_pixels(task.truth['img_path'], rule=task.truth.get('picture'))
    classes = labels_of_ids(torch.from_numpy(maps.ids)[None])
    cam = torch.from_numpy(maps.scores)[None]
    labeler = cfg.built_labeler
    assert labeler is not None  # without one, score_cam is called
    labels = (
        labeler.with_thresholds(bkg_thr=t)(pixels, cam, classes).ids[0]
        for t in cfg.thresholds
    )
    return dict(raw=[areas_from_labels(truth, one, cfg.num_classes) for one in labels])


def score_mask(cfg: EvalCfg, task: EvalTask) -> dict[str, Any]:
    """Areas of a mask, its pixels of 255 left out; with ``boundary`` its contours."""
    truth = read_truth(task.truth)
    mask = read_mask(task.maps, cfg.num_classes)
    if mask.shape != tuple(truth.shape):
        raise MaskError(
            task.maps,
            f'is {mask.shape}, the truth {task.truth["seg_map_path"]} is '
            f'{tuple(truth.shape)} (height, width)',
            'give the masks of these images',
        )
    label = torch.from_numpy(mask.astype(np.int64))
    found: dict[str, Any] = dict(raw=[areas_from_labels(truth, label, cfg.num_classes)])
    if cfg.boundary:
        found[_BOUNDARY] = boundary_scores(truth.numpy(), mask, cfg.num_classes)
    return found


def read_mask(path: str | Path, num_classes: int) -> np.ndarray:
    """Class ids of a mask, with 255."""
    try:
        mask = decode_mask(Path(path).read_bytes(), str(path))
    except OSError as err:
        raise MaskError(path, f'cannot be read ({err})', 'generate it again') from err
    check_mask(mask, str(path), num_classes, IGNORE)
    return mask


def read_truth(info: Mapping[str, Any]) -> Tensor:
    """(H, W) int64 with -1 where the truth is 255."""
    truth = LoadMask().transform(dict(info))['gt_seg_map']
    truth = torch.from_numpy(truth.astype(np.int64))
    return truth.masked_fill(truth == IGNORE, -1)
