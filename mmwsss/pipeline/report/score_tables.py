# Licensed under Apache-2.0.
"""Scores as rows: of the whole, of each class, of pairs of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmwsss.cli.inference_options import AREAS
from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import (
    Difference,
    paired_difference,
    read_photo_areas,
)
from mmwsss.evaluation.scores import SegScores, scores_from_areas

from .picture_pass import OUTPUTS, PicturePass
from .run_folder import RunFolder

#: score → what a reader is told that it is
SCORES = {
    'seg_mIoU': 'segmentation, mIoU',
    'mIoU': 'mIoU',
    'seg_pAcc': 'segmentation, pixels that are right',
    'cam_mIoU': 'CAM, mIoU at the chosen threshold',
    'cam_oracle_mIoU': 'CAM, mIoU at the best threshold (chosen on the truth)',
    'aux_cam_mIoU': 'auxiliary CAM, mIoU at the chosen threshold',
    'lam_mIoU': 'LAM, mIoU at the chosen threshold',
    'cam_lam_mIoU': 'CAM x LAM, mIoU at the chosen threshold',
    'pseudo_mIoU': 'pseudo label, mIoU of what it labels',
    'pseudo_labelled': 'pseudo label, share of the pixels that it labels',
    'cls_mAP': 'image labels, mean average precision',
    'cls_F1': 'image labels, F1',
    'images': 'pictures',
}


@dataclass(frozen=True)
class ClassRow:
    """Scores of one class in percent, for each run; NaN where undefined.

    Attributes:
        name: of the class.
        iou, fp, fn: shares of the union that are right, wrongly claimed and missed.
        precision, recall: of its pixels.
    """

    name: str
    iou: tuple[float, ...]
    fp: tuple[float, ...]
    fn: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


def score_rows(
    columns: Mapping[str, Mapping[str, object]],
) -> list[tuple[str, list[str]]]:
    """(name, value of each column) of the scores that any column has.

    Args:
        columns: heading → name → score in percent.
    """
    rows = []
    for key, title in SCORES.items():
        values = [of.get(key) for of in columns.values()]
        if any(isinstance(value, (int, float)) for value in values):
            digits = 0 if key == 'images' else 1
            rows.append((title, [number(value, digits) for value in values]))
    return rows


def number(value: object, digits: int = 1) -> str:
    """A number as text, ``–`` for what isn't one."""
    known = isinstance(value, (int, float)) and math.isfinite(value)
    return f'{value:.{digits}f}' if known else '–'


def class_rows(classes: Sequence[str], areas: Sequence[ClassAreas]) -> list[ClassRow]:
    """Scores of each class.

    Args:
        classes: K names.
        areas: counts of each run.
    """
    scores = [scores_from_areas(one) for one in areas]

    def of(name: str, i: int) -> tuple[float, ...]:
        return tuple(100 * float(_values(one, name)[i]) for one in scores)

    figures = ('iou', 'fp', 'fn', 'precision', 'recall')
    return [
        ClassRow(label, *(of(figure, i) for figure in figures))
        for i, label in enumerate(classes)
    ]


def _values(scores: SegScores, name: str) -> np.ndarray:
    return getattr(scores, name)


def pass_scores(found: PicturePass) -> dict[str, float]:
    """Scores of the pictures that were looked at, named as by :class:`.WSSSMetric`."""
    scores = {name: scores_from_areas(areas) for name, areas in found.areas.items()}
    named = {f'{name}_mIoU': 100 * one.mean() for name, one in scores.items()}
    if 'seg' in scores:
        named['seg_pAcc'] = 100 * scores['seg'].pixel_acc
    if 'pseudo' in scores:
        named['pseudo_labelled'] = 100 * scores['pseudo'].labelled
    for name in found.sweeps:
        named[f'{name}_oracle_mIoU'] = float(np.nanmax([-1, *found.sweep(name)]))
    named |= {f'cls_{name}': value for name, value in found.image_scores.items()}
    return named | dict(images=len(found.pictures))


def tested_areas(run: RunFolder) -> tuple[list[str], str, np.ndarray] | None:
    """Counts of each picture that ``tools/test.py`` left: names, output, (N, 3, K)."""
    files: list[Path] = [run.path / AREAS, *sorted(run.path.glob(f'*/{AREAS}'))]
    for file in files:
        if file.is_file():
            names, areas = read_photo_areas(file)
            output = next((name for name in OUTPUTS if name in areas), None)
            if output is not None:
                return names, output, areas[output]
    return None


def summed(areas: np.ndarray) -> ClassAreas:
    """(N, 3, K) counts of pictures as those of all of them."""
    correct, predicted, truth = areas.sum(0)
    return ClassAreas(correct, predicted, truth, int(truth.sum()))


def difference_of(passes: Sequence[PicturePass]) -> Difference | None:
    """Mean IoU of the second run minus that of the first; ``None`` where they can't be
    compared: other pictures or classes, or no masks."""
    if len(passes) < 2 or passes[0].names != passes[1].names:
        return None
    stacks = [[one.areas for one in found.pictures] for found in passes]
    if any(area is None for stack in stacks for area in stack):
        return None
    first, second = (np.stack(stack) for stack in stacks)  # type: ignore[arg-type]
    if first.shape != second.shape:
        return None
    return paired_difference(second, first)


def shares(table: np.ndarray) -> np.ndarray:
    """Rows of a table of counts as percent of their sum, NaN where there is nothing."""
    total = table.sum(1, keepdims=True).astype(np.float64)
    filled = np.full(table.shape, np.nan)
    return np.divide(100.0 * table, total, out=filled, where=total > 0)


def shares_of_diagonal(table: np.ndarray) -> np.ndarray:
    """Pictures with both of two classes as percent of those with the first one."""
    own = np.diag(table)[:, None].astype(np.float64)
    filled = np.full(table.shape, np.nan)
    return np.divide(100.0 * table, own, out=filled, where=own > 0)
