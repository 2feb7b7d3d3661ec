# Licensed under Apache-2.0.
"""The scores of maps as a table and as numbers for a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmwsss.evaluation.scores import SegScores
from mmwsss.evaluation.tables import ALL_CLASSES, percent, text_table

from .evaluate_maps import EvalResult

_FIGURES = (
    ('mIoU', 'iou', 'present'),
    ('mIoU_all', 'iou', 'all'),
    ('mIoU_fixed', 'iou', 'fixed'),
    ('FP', 'fp', 'fixed'),
    ('FN', 'fn', 'fixed'),
)


def figures(row: SegScores) -> dict[str, float]:
    """``mIoU`` over the classes in the truth, ``mIoU_all`` over those in truth or
    prediction, ``mIoU_fixed``, ``FP`` and ``FN`` over
    all classes, absent ones counting 0; ``labelled``: share of the valid pixels that
    have a label. Percent."""
    found = {name: 100 * row.mean(value, over) for name, value, over in _FIGURES}
    return found | dict(labelled=100 * row.labelled)


def metrics_of(result: EvalResult, classes: Sequence[str]) -> dict[str, Any]:
    """What ``metrics.json`` holds.

    Top level: ``images`` and, at the best threshold, the :func:`figures` with
    ``threshold``; those of eroded scoring are called ``eroded_…``. Below it the IoU of
    each class (``classes``) and the figures at every threshold (``sweep``).
    """
    metrics: dict[str, Any] = dict(images=result.images)
    tables: dict[str, Any] = dict(classes={}, sweep={})
    for scoring, rows in result.rows.items():
        prefix, best = '' if scoring == 'raw' else f'{scoring}_', result.best(scoring)
        metrics |= {prefix + k: v for k, v in figures(rows[best]).items()}
        tables['classes'][scoring] = dict(
            zip(classes, (100 * rows[best].iou).tolist(), strict=True)
        )
        if result.thresholds:
            metrics[f'{prefix}threshold'] = _clean(result.thresholds[best])
            tables['sweep'][scoring] = [
                dict(threshold=_clean(t)) | figures(row)
                for t, row in zip(result.thresholds, rows, strict=True)
            ]
    if result.boundary is not None:
        metrics['BF'] = 100 * result.boundary.mean
    return _rounded(metrics | tables)


def remarks_of(result: EvalResult) -> list[str]:
    """What a reader of the scores should know of the thresholds."""
    if len(result.thresholds) < 2:
        return []
    found = []
    for name in result.rows:
        best = result.best(name)
        if best in (0, len(result.thresholds) - 1):
            end = 'lowest' if best == 0 else 'highest'
            found.append(
                f'{name}: the best threshold, {_clean(result.thresholds[best]):g}, is '
                f'the {end} that was tried: the CAMs tell '
                + ('no background' if best == 0 else 'next to nothing but background')
                + ' from objects, or the range of --thresholds is too narrow'
            )
    return found


def _clean(threshold: float) -> float:
    return round(float(threshold), 6)


def _rounded(value: Any) -> Any:
    """Four digits; what isn't defined as ``None``, which JSON knows."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    return value


def tables_of(result: EvalResult, classes: Sequence[str]) -> str:
    """Markdown: one row a scoring at its best threshold; below it IoU by class."""
    best = {name: rows[result.best(name)] for name, rows in result.rows.items()}
    header = [
        'scoring',
        'threshold',
        'mIoU',
        ALL_CLASSES,
        f'mIoU (all {len(classes)}, absent ones 0)',
        'FP',
        'FN',
        'labelled',
    ]
    rows = []
    for name, row in best.items():
        at = (
            f'{_clean(result.thresholds[result.best(name)]):g}'
            if (result.thresholds)
            else '-'
        )
        rows.append([name, at, *(percent(v / 100) for v in figures(row).values())])
    if result.boundary is not None:
        header.append('BF')
        rows[0].append(percent(result.boundary.mean))
    by_class = [
        [label, *(percent(row.iou[i]) for row in best.values())]
        for i, label in enumerate(classes)
    ]
    return (
        f'{result.images} images, percent\n{text_table(header, rows)}\n\n'
        f'{text_table(["IoU", *best], by_class)}'
    )
