# Licensed under Apache-2.0.
"""Curves for a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from mmwsss.visualization.line_chart import Key, Line, Mark, legend_of, line_chart

LINES = [Line('a', [0, 1, 2], [1.0, 3.0, 2.0]), Line('b', [0, 2], [0.5, 0.25], 1, 1)]
MARKS = [Mark('best', 1, 3.0, 0, hollow=True)]


def test_a_chart_is_svg_that_fits_its_place() -> None:
    svg = line_chart(LINES, MARKS, 'threshold')
    root = ElementTree.fromstring(svg.replace('xlink:href', 'href'))
    assert root.tag == 'svg' and 'width' not in root.attrib
    assert root.attrib['viewBox'].startswith('0 0 ')
    assert '>threshold</text>' in svg


def test_two_charts_in_one_page_do_not_disturb_each_other() -> None:
    """No name that stands in both means two things; no style holds for all."""
    charts = [line_chart(LINES), line_chart(LINES[:1], MARKS)]
    named = [
        dict(re.findall(r'<(?:path|clipPath) id="([^"]*)"(.*?)>', svg, re.DOTALL))
        for svg in charts
    ]
    both = set(named[0]) & set(named[1])
    assert all(named[0][name] == named[1][name] for name in both)
    assert not any('<style' in svg or '<?xml' in svg for svg in charts)


def test_text_takes_the_colour_of_the_page_and_nothing_is_painted_white() -> None:
    svg = line_chart(LINES)
    assert 'fill: currentColor' in svg and '#ffffff' not in svg


def test_the_legend_of_a_chart() -> None:
    kinds = [(key.name, key.kind) for key in legend_of(LINES, MARKS)]
    assert kinds == [('a', 'line'), ('b', 'dash'), ('best', 'ring')]
    assert legend_of(LINES[:1]) == []  # a curve by itself needs none
    assert legend_of(LINES)[0] == Key('a', '#3d85c6', 'line')
