# Licensed under Apache-2.0.
"""The curves of a report: which there are, and what they are called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmwsss.evaluation.calibration import expected_calibration_error
from mmwsss.visualization.line_chart import Key, Line, Mark, legend_of, line_chart

from .picture_pass import PicturePass
from .run_scalars import RunScalars

#: of outputs, for readers
OUTPUT_NAMES = {
    'seg': 'segmentation',
    'cam': 'CAM',
    'aux_cam': 'auxiliary CAM',
    'pseudo': 'pseudo label',
}
_SCORES = {f'{name}_mIoU': title for name, title in OUTPUT_NAMES.items()}
#: title → name of the series → what it is called, of several in one chart
_TOGETHER = {
    'mIoU on the validation pictures, percent': {**_SCORES, 'mIoU': 'mIoU'},
    'Image labels on the validation pictures, percent': {
        'cls_mAP': 'average precision',
        'cls_F1': 'F1',
    },
    'Pixels of the labels that are trained on, shares': {
        'label_fg': 'foreground',
        'label_bg': 'background',
        'label_ignore': 'ignored',
    },
}
_ALONE = {'loss': 'Loss, all terms', 'lr': 'Learning rate', 'classes_seen': ''}


@dataclass(frozen=True)
class Chart:
    """A curve with its text.

    Attributes:
        title: above it.
        svg: the drawing.
        words: the same in words, for those who can't see it.
        legend: which curve is which.
    """

    title: str
    svg: str
    words: str
    legend: Sequence[Key] = ()


def scalar_charts(runs: Mapping[str, RunScalars]) -> list[Chart]:
    """All curves of one or two runs: scores, shares of the labels, losses.

    Args:
        runs: name → what it logged.
    """
    series = {name: {**run.train, **run.val} for name, run in runs.items()}
    charts = []
    for title, keys in _TOGETHER.items():
        charts.append(_chart(title, series, keys))
    losses = sorted({key for run in series.values() for key in run if _is_loss(key)})
    for key in ['loss', *(key for key in losses if key != 'loss'), 'lr']:
        title = _ALONE.get(key) or f'Loss: {key.removeprefix("loss_")}'
        charts.append(_chart(title, series, {key: ''}))
    return [chart for chart in charts if chart is not None]


def _is_loss(key: str) -> bool:
    return key == 'loss' or key.startswith('loss_') or key.endswith('.loss_ce')


def _chart(
    title: str,
    series: Mapping[str, Mapping[str, Mapping[int, float]]],
    keys: Mapping[str, str],
) -> Chart | None:
    """One chart of some series; ``None`` if no run has any."""
    lines = []
    for number, (run, of) in enumerate(series.items()):
        for colour, (key, word) in enumerate(keys.items()):
            points = {x: y for x, y in of.get(key, {}).items() if math.isfinite(y)}
            if points:
                name = ', '.join(filter(None, (word, run if len(series) > 1 else '')))
                one = len(keys) == 1
                lines.append(
                    Line(
                        name,
                        list(points),
                        list(points.values()),
                        number if one else colour,
                        0 if one else number,
                    )
                )
    if not lines:
        return None
    return Chart(title, line_chart(lines), _words(lines), legend_of(lines))


def _words(lines: Sequence[Line]) -> str:
    """First and last value of each line."""
    parts = [
        f'{line.name or "value"}: {line.ys[0]:.4g} at {line.xs[0]:g}, '
        f'{line.ys[-1]:.4g} at {line.xs[-1]:g}'
        for line in lines
    ]
    return '; '.join(parts)


def sweep_chart(name: str, passes: Mapping[str, PicturePass]) -> Chart | None:
    """mIoU of a CAM's labels over their threshold, with the chosen and the best one.

    Args:
        name: ``'cam'`` or ``'aux_cam'``.
        passes: run → what came of its pictures.
    """
    rows = {
        run: (
            one.grid.astype(float).round(6).tolist(),
            one.sweep(name),
            one.thresholds[name],
        )
        for run, one in passes.items()
        if name in one.sweeps
    }
    return threshold_chart(OUTPUT_NAMES[name], rows)


def threshold_chart(
    name: str, rows: Mapping[str, tuple[Sequence[float], Sequence[float], float | None]]
) -> Chart | None:
    """The same from values.

    Args:
        name: of what is scored.
        rows: run → (thresholds, mIoU in percent, the chosen threshold).
    """
    lines, marks = [], []
    for number, (run, (grid, scores, chosen)) in enumerate(rows.items()):
        if not np.isfinite(scores).any():
            continue
        mine = f', {run}' if len(rows) > 1 else ''
        lines.append(Line(f'mIoU{mine}', grid, scores, number))
        best = int(np.nanargmax(scores))
        points = {'best on the truth': best}
        if chosen is not None:
            points['chosen'] = int(np.abs(np.asarray(grid) - chosen).argmin())
        for word, i in points.items():
            label = f'{word}{mine}: {grid[i]:g} → {scores[i]:.1f}'
            marks.append(Mark(label, grid[i], scores[i], number, word != 'chosen'))
    if not lines:
        return None
    words = '; '.join(mark.name for mark in marks)
    title = f'{name}: mIoU (percent) over the background threshold'
    svg = line_chart(lines, marks, 'threshold')
    return Chart(title, svg, words, legend_of(lines, marks))


def reliability_chart(passes: Mapping[str, PicturePass]) -> Chart | None:
    """How often the decoder is right where it claims a probability.

    Args:
        passes: run → what came of its pictures.
    """
    lines, words = [], []
    for number, (run, found) in enumerate(passes.items()):
        bins = found.calibration
        if bins is None:
            continue
        there = bins.count > 0
        error = 100 * expected_calibration_error(bins)
        mine = f'{run}: ' if len(passes) > 1 else ''
        name = f'{mine}{error:.1f} points from the truth on average (ECE)'
        claimed, right = bins.mean_confidence[there], bins.accuracy[there]
        lines.append(Line(name, claimed.tolist(), right.tolist(), number))
        words.append(name)
    if not lines:
        return None
    lines.append(Line('as often as it claims', [0, 1], [0, 1], len(passes), 1))
    svg = line_chart(lines, x_label='probability of the class that a pixel is given')
    return Chart(
        'Share of pixels that are right', svg, '; '.join(words), legend_of(lines)
    )
