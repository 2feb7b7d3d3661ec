# Licensed under Apache-2.0.
"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

import math
import re
from pathlib import Path

import jinja2

from .make_report import STAGE_COLUMNS, Report

_HERE = Path(__file__).parent


def page(report: Report) -> str:
    """The HTML: styles, curves and pictures stand in it; no script, no network."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(percent=percent, share=share, slug=slug)
    template = environment.get_template('report.html.j2')
    style = (_HERE / 'report.css').read_text(encoding='utf-8')
    return template.render(report=report, style=style, stage_columns=STAGE_COLUMNS)


def percent(value: float, digits: int = 1) -> str:
    """A percentage as text, ``–`` where undefined."""
    return '–' if math.isnan(value) else f'{value:.{digits}f}'


def share(value: float) -> float:
    """A percentage as a share of 1 for a colour or a width; 0 where undefined."""
    return 0.0 if math.isnan(value) else round(value / 100, 4)


def slug(text: str) -> str:
    """A text as the name of a place in the page."""
    return re.sub(r'[^\w-]+', '-', text)
