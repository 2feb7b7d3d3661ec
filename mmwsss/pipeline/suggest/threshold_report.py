# Licensed under Apache-2.0.
"""What is said of suggested thresholds: tables, remarks, numbers for a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmwsss.evaluation.score_counts import ScoreCounts
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.evaluation.tables import percent, text_table
from mmwsss.evaluation.threshold_hints import ThresholdHint

from .map_statistics import ClassRow
from .suggest_thresholds import MapsSeen

#: what the columns of the table of classes are
_LEGEND = (
    'Quantiles of the CAM of a class: left, where it is, as labels see it (its maximum '
    'in a picture is 1); right, where it is not, as a share of what it usually reaches '
    'where it is. Shares in percent'
)
#: share of the pixels of absent classes above the threshold that gets a remark
_LEAK = 0.05
#: agreement up to which it is called slight (Landis and Koch, Biometrics 33, 1977)
_SLIGHT = 0.2


class Report(NamedTuple):
    """What is said.

    Attributes:
        lines: tables and values.
        remarks: what makes them doubtful.
        numbers: the same for a file.
    """

    lines: list[str]
    remarks: list[str]
    numbers: dict[str, Any]


def report_of(seen: MapsSeen, classes: Sequence[str], now: dict[str, float]) -> Report:
    """Everything about suggested thresholds.

    Args:
        seen: the pictures that were looked at.
        classes: names of the classes 1..C.
        now: dotted name → value of the thresholds of the config.

    Raises:
        UserError: if no picture with a class could be read.
    """
    hint, curve = seen.statistics.hint(), seen.statistics.agreement()
    rows = seen.statistics.rows(hint.bkg_thr)
    numbers = numbers_of(classes, rows, hint) | dict(agreement=float(curve.max()))
    lines = [
        f'{len(seen.statistics.present)} pictures, {seen.negatives} of them without an '
        f'object; {seen.unlabelled} left out, of which nobody knows what they hold',
        f'{_LEGEND}\n{class_table(classes, rows)}',
        'suggested: '
        + ', '.join(f'{k} {v:g}' for k, v in hint._asdict().items())
        + f' (two views agree best at {hint.bkg_thr:g}: kappa {curve.max():.2f})',
        'now: ' + ', '.join(f'{path}={value:g}' for path, value in now.items()),
    ]
    if seen.counts is not None:
        # of several of a name the first: the labeler's
        config = {
            path.rpartition('.')[2]: value for path, value in reversed(now.items())
        }
        sets = dict(config=config, suggested=hint._asdict())
        table, numbers['oracle'] = oracle_table(seen.counts, sets)
        lines.append(
            'judged on the truth, percent; the label of two thresholds on the share '
            f'that it labels, before any refiner\n{table}'
        )
    return Report(lines, remarks(classes, rows, float(curve.max())), numbers)


def class_table(classes: Sequence[str], rows: Sequence[ClassRow]) -> str:
    """One line a class.

    Args:
        classes: names of the classes 1..C.
        rows: theirs.
    """
    header = [
        'class',
        *('pictures with it', '50 %', '90 %', '99 %', 'labelled with it'),
        *('without it', '50 %', '90 %', '99 %', 'above bkg_thr'),
    ]
    return text_table(
        header,
        [
            [
                name,
                *(str(row.present), *map(_number, row.held), percent(row.area)),
                *(str(row.absent), *map(_number, row.missing), percent(row.leak)),
            ]
            for name, row in zip(classes, rows, strict=True)
        ],
    )


def remarks(
    classes: Sequence[str], rows: Sequence[ClassRow], kappa: float
) -> list[str]:
    """What makes a suggestion doubtful.

    Args:
        classes: names of the classes 1..C.
        rows: theirs.
        kappa: largest agreement of the two views.
    """
    pairs = list(zip(classes, rows, strict=True))
    none = [name for name, row in pairs if not row.present]
    leaks = [name for name, row in pairs if row.leak > _LEAK]
    found = []
    if kappa <= _SLIGHT:
        found.append(
            f'even at the suggested threshold two views hardly agree (kappa '
            f'{kappa:.2f}): the CAMs are of little use yet, and so is the suggestion'
        )
    if none:
        found.append(f'no picture is labelled with {", ".join(none)}')
    if leaks:
        found.append(
            f'more than {_LEAK:.0%} of the pixels of pictures without '
            f'{", ".join(leaks)} are above the threshold: the network takes something '
            'else for it, which no threshold mends'
        )
    return found


def oracle_table(
    counts: ScoreCounts, sets: Mapping[str, Mapping[str, float]]
) -> tuple[str, dict[str, Any]]:
    """Sets of thresholds judged on the truth, and the best that there are.

    Args:
        counts: of the pixels of all pictures.
        sets: name → ``bkg_thr``, or ``low_thr`` and ``high_thr``, or all.

    Returns:
        (table, numbers by name).
    """
    found = {name: judge(counts, **thresholds) for name, thresholds in sets.items()}
    best = best_threshold(counts)
    found['best on the truth'] = judge(counts, bkg_thr=best)
    header = [
        'thresholds',
        'bkg_thr',
        'mIoU',
        'low_thr',
        'high_thr',
        'mIoU',
        'labelled',
    ]
    keys = ('bkg_thr', 'cam_mIoU', 'low_thr', 'high_thr', 'label_mIoU', 'labelled')
    rows = [
        [name, *(_cell(numbers.get(key)) for key in keys)]
        for name, numbers in found.items()
    ]
    return text_table(header, rows), found


def judge(counts: ScoreCounts, **thresholds: float) -> dict[str, float]:
    """Thresholds with the mIoU of their labels, percent.

    ``cam_mIoU`` of the label of one threshold; ``label_mIoU`` of that of two, on the
    share ``labelled`` that it doesn't ignore, before any refiner.
    """
    found = dict(thresholds)
    if 'bkg_thr' in thresholds:
        one = thresholds['bkg_thr']
        found['cam_mIoU'] = 100 * scores_from_areas(counts.areas(one, one)).miou
    if {'low_thr', 'high_thr'} <= thresholds.keys():
        areas = counts.areas(thresholds['low_thr'], thresholds['high_thr'])
        scores = scores_from_areas(areas)
        found |= dict(label_mIoU=100 * scores.miou, labelled=100 * scores.labelled)
    return found


def best_threshold(counts: ScoreCounts) -> float:
    """The background threshold with the largest mIoU, chosen on the truth."""
    means = [scores_from_areas(counts.areas(t, t)).miou for t in counts.grid]
    return round(float(counts.grid[int(np.nanargmax(means))]), 2)


def numbers_of(
    classes: Sequence[str], rows: Sequence[ClassRow], hint: ThresholdHint
) -> dict[str, Any]:
    """What ``--out`` holds; what isn't defined is ``None``."""
    by_class = {
        name: {key: _plain(value) for key, value in row._asdict().items()}
        for name, row in zip(classes, rows, strict=True)
    }
    return dict(suggested=hint._asdict(), classes=by_class)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return round(float(value), 4) if isinstance(value, float) else value


def _number(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.2f}'


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.2f}'
