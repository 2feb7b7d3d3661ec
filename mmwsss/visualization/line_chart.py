# Licensed under Apache-2.0.
"""Curves as SVG text that stands inside an HTML page, in its colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: legible on white and on black
COLOURS = ('#3d85c6', '#e0773a', '#3c9f62', '#b3589e', '#8b74d6', '#c9504f')
_DASHES = ('-', (0, (4, 2)))
#: stands for the colour of the page's text, which matplotlib can't name
_INK = '#010203'
_SIZE = (4.4, 2.7)  # inches of 72 points: as wide as a phone's window
_UNWANTED = (
    r'<\?xml.*?<svg',
    r'<metadata>.*?</metadata>',
    r'<style type="text/css">.*?</style>',
    # names of groups, which would stand twice in a page; others are of their content
    r' id="(?![mp][0-9a-f]{10}")[^"]*"',
)


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: for the legend.
        xs: increasing, (N,).
        ys: (N,).
        colour: number of its colour.
        dash: 0: drawn through, 1: dashed.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: int = 0
    dash: int = 0


@dataclass(frozen=True)
class Mark:
    """A point of a curve that is named.

    Attributes:
        name: for the legend.
        x, y: where.
        colour: number of its colour.
        hollow: drawn as a ring.
    """

    name: str
    x: float
    y: float
    colour: int = 0
    hollow: bool = False


def line_chart(
    lines: Sequence[Line], marks: Sequence[Mark] = (), x_label: str = 'iteration'
) -> str:
    """Draw curves with a legend where there is more than one name.

    Args:
        lines: at least one.
        marks: points on them.
        x_label: below the axis.

    Returns:
        ``<svg ...>...</svg>``: scales with its place, its text takes the page's colour.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style = {
        'svg.fonttype': 'none',
        'svg.hashsalt': 'mmwsss',
        'font.size': 9,
        'font.family': 'sans-serif',
        **dict.fromkeys(('text.color', 'axes.labelcolor', 'axes.edgecolor'), _INK),
        **dict.fromkeys(('xtick.color', 'ytick.color', 'grid.color'), _INK),
    }
    with rc_context(style):
        figure = Figure(_SIZE, layout='constrained', facecolor='none')
        axes = figure.add_subplot(facecolor='none')
        _draw(axes, lines, marks)
        axes.set_xlabel(x_label)
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata=dict(Date=None))
    return _for_a_page(out.getvalue())


def _draw(axes: Any, lines: Sequence[Line], marks: Sequence[Mark]) -> None:
    for line in lines:
        axes.plot(
            line.xs,
            line.ys,
            color=COLOURS[line.colour % len(COLOURS)],
            linestyle=_DASHES[line.dash % len(_DASHES)],
            marker='.' if len(line.xs) < 20 else None,
            markersize=4,
            linewidth=1.5,
            label=line.name,
        )
    for mark in marks:
        colour = COLOURS[mark.colour % len(COLOURS)]
        axes.plot(
            [mark.x],
            [mark.y],
            'o',
            markersize=7,
            color=colour,
            markerfacecolor='none' if mark.hollow else colour,
            markeredgewidth=1.5,
            label=mark.name,
        )
    axes.grid(alpha=0.15, linewidth=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.margins(x=0.03)
    if len(lines) + len(marks) > 1:
        axes.legend(frameon=False, fontsize=8)


def _for_a_page(svg: str) -> str:
    """Without what belongs to a file; sizes in percent."""
    for number, pattern in enumerate(_UNWANTED):
        svg = re.sub(pattern, '' if number else '<svg', svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true">', svg, 1
    )
    return svg.replace(_INK, 'currentColor').strip()
