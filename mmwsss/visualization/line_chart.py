# Licensed under Apache-2.0.
"""Curves as SVG text that stands inside an HTML page, in its colours."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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


class Key(NamedTuple):
    """One entry of a legend.

    Attributes:
        name: of a curve or a point.
        colour: as CSS writes it.
        kind: ``'line'``, ``'dash'``, ``'dot'`` or ``'ring'``.
    """

    name: str
    colour: str
    kind: str


def line_chart(
    lines: Sequence[Line], marks: Sequence[Mark] = (), x_label: str = 'iteration'
) -> str:
    """Draw curves; :func:`legend_of` says which is which, as text of the page.

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

    style: Any = {
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


def legend_of(lines: Sequence[Line], marks: Sequence[Mark] = ()) -> list[Key]:
    """What the curves and points of a chart are called; empty for a single curve."""
    keys = [
        Key(one.name, _colour(one), 'dash' if one.dash else 'line') for one in lines
    ]
    keys += [
        Key(one.name, _colour(one), 'ring' if one.hollow else 'dot') for one in marks
    ]
    return keys if len(keys) > 1 else []


def _colour(one: Line | Mark) -> str:
    return COLOURS[one.colour % len(COLOURS)]


def _draw(axes: Any, lines: Sequence[Line], marks: Sequence[Mark]) -> None:
    for line in lines:
        axes.plot(
            line.xs,
            line.ys,
            color=_colour(line),
            linestyle=_DASHES[line.dash % len(_DASHES)],
            marker='.' if len(line.xs) < 20 else None,
            markersize=4 if len(line.xs) > 1 else 9,
            linewidth=1.5,
        )
    for mark in marks:
        colour = _colour(mark)
        axes.plot(
            [mark.x],
            [mark.y],
            'o',
            markersize=7,
            color=colour,
            markerfacecolor='none' if mark.hollow else colour,
            markeredgewidth=1.5,
        )
    axes.grid(alpha=0.15, linewidth=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.margins(x=0.03)


def _for_a_page(svg: str) -> str:
    """Without what belongs to a file; sizes in percent."""
    for number, pattern in enumerate(_UNWANTED):
        svg = re.sub(pattern, '' if number else '<svg', svg, flags=re.DOTALL)
    head = r'<svg[^>]*?(viewBox="[^"]*")[^>]*>'
    svg = re.sub(head, r'<svg \1 aria-hidden="true">', svg, count=1)
    return svg.replace(_INK, 'currentColor').strip()
