# Licensed under Apache-2.0.
"""Plain-text tables that can be pasted into a README (Markdown)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .scores import SegScores

#: the mean over the classes that occur in truth or prediction (``over='all'``)
ALL_CLASSES = 'mIoU (in truth or prediction)'
TITLES = {
    'seg': 'segmentation',
    'cam': 'CAM',
    'aux_cam': 'auxiliary CAM',
    'lam': 'LAM',
    'cam_lam': 'CAM x LAM',
    'pseudo': 'pseudo label',
    'cam_oracle': 'CAM',
    'aux_cam_oracle': 'auxiliary CAM',
    'lam_oracle': 'LAM',
    'cam_lam_oracle': 'CAM x LAM',
}


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns; first column left, others right."""
    # By hand: prettytable refuses two columns of one name (the CAM, and the CAM with
    # image labels), and its rule of a Markdown table isn't padded as the cells are.
    lines = [list(header), *map(list, rows)]
    width = [max(len(line[i]) for line in lines) for i in range(len(header))]
    rule = ['-' * width[0], *('-' * (w - 1) + ':' for w in width[1:])]
    out = []
    for line in (lines[0], rule, *lines[1:]):
        cells = [
            line[0].ljust(width[0]),
            *(c.rjust(w) for c, w in zip(line[1:], width[1:], strict=True)),
        ]
        out.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(out)


def percent(value: float) -> str:
    """A fraction as percent with two digits, ``-`` where undefined."""
    return '-' if value is None or math.isnan(value) else f'{100 * value:.2f}'


def class_table(classes: Sequence[str], scores: Mapping[str, SegScores]) -> str:
    """IoU per class (%), one column per output."""
    header = ['class', *(TITLES.get(n, n) for n in scores)]
    rows = [
        [name, *(percent(s.iou[i]) for s in scores.values())]
        for i, name in enumerate(classes)
    ]
    return text_table(header, rows)


def summary_table(
    scores: Mapping[str, SegScores],
    thresholds: Mapping[str, str],
    average: str = 'present',
) -> str:
    """One row per output: mIoU, FP and FN shares, accuracies (%).

    Args:
        scores: By output name.
        thresholds: Text for the threshold column, by output name.
        average: Which classes mIoU, FP and FN are over, see ``SegScores.mean``.
    """
    header = [
        'output',
        'threshold',
        'mIoU',
        ALL_CLASSES,
        'FP',
        'FN',
        'pAcc',
        'mAcc',
        'labelled',
    ]
    rows = [
        [
            TITLES.get(n, n),
            thresholds.get(n, ''),
            *map(
                percent,
                (
                    s.mean('iou', average),
                    s.mean('iou', 'all'),
                    s.mean('fp', average),
                    s.mean('fn', average),
                    s.pixel_acc,
                    s.mean_acc,
                    s.labelled,
                ),
            ),
        ]
        for n, s in scores.items()
    ]
    return text_table(header, rows)
