# Licensed under Apache-2.0.
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

_SURE, _GAP, _COUNT = '#2b6cb0', '#e07a5f', '#8a8f98'


def reliability_picture(
    results: Mapping[str, Mapping[str, Any]], titles: Sequence[str] = ()
) -> np.ndarray:
    """Reliability diagrams, side by side: accuracy by confidence, and how many.

    A bar below the diagonal: the network is less often right than it says.

    Args:
        results: by name: ``bin_confidence``, ``bin_accuracy`` (``None`` in an empty
            bin), ``count``, ``ece``, as :meth:`.Calibration.facts` gives them.
        titles: one for each; default: their names.

    Returns:
        RGB (H, W, 3) uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(results), 4.8), dpi=100, layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        2, len(results), sharex=True, squeeze=False, height_ratios=(3, 1)
    )
    for column, (name, found) in enumerate(results.items()):
        title = titles[column] if titles else name
        _curve(axes[0, column], found, title)
        _counts(axes[1, column], found)
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))


def _edges(found: Mapping[str, Any]) -> np.ndarray:
    return np.linspace(0, 1, len(found['count']) + 1)


def _curve(axis: Any, found: Mapping[str, Any], title: str) -> None:
    edges = _edges(found)
    accuracy = np.array(found['bin_accuracy'], float)
    confidence = np.array(found['bin_confidence'], float)
    width = edges[1]
    axis.bar(edges[:-1], accuracy, width, align='edge', color=_SURE, edgecolor='white')
    axis.bar(
        edges[:-1], confidence - accuracy, width, bottom=accuracy, align='edge',
        color=_GAP, alpha=0.35, edgecolor=_GAP, label='distance from what it says',
    )  # fmt: skip
    axis.plot((0, 1), (0, 1), '--', color='#333333', linewidth=1)
    axis.set(ylim=(0, 1), xlim=(0, 1), ylabel='how often it is true')
    axis.set_title(f'{title}: ECE {100 * found["ece"]:.1f} %', fontsize=11)
    axis.legend(loc='upper left', fontsize=8, framealpha=0.9)


def _counts(axis: Any, found: Mapping[str, Any]) -> None:
    edges, count = _edges(found), np.array(found['count'], float)
    share = 100 * count / max(count.sum(), 1)
    axis.bar(edges[:-1], share, edges[1], align='edge', color=_COUNT, edgecolor='white')
    axis.set(xlabel='probability that the network gives', ylabel='% of all')
