# Licensed under Apache-2.0.
"""All that a page shows of one run, or of two beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .looked_at import LookedAt
from .picture_cards import CardGroup, card_groups
from .picture_pass import PicturePass
from .picture_tiles import swatches
from .report_charts import (
    OUTPUT_NAMES,
    Chart,
    reliability_chart,
    scalar_charts,
    sweep_chart,
)
from .run_facts import FactRow, fact_rows, setting_differences
from .score_tables import (
    ClassRow,
    class_rows,
    difference_of,
    pass_scores,
    score_rows,
    shares,
    shares_of_diagonal,
    summed,
    tested_areas,
)


@dataclass(frozen=True)
class Matrix:
    """A square table of classes.

    Attributes:
        title: above it.
        classes: of rows and columns.
        cells: percent, NaN where there is nothing.
        counts: beside each row, empty for none.
    """

    title: str
    classes: Sequence[str]
    cells: Sequence[Sequence[float]]
    counts: Sequence[int] = ()


@dataclass
class ReportBlock:
    """What is shown of one run, or of two.

    Attributes:
        title: of a stage; empty for a run by itself.
        names: of the runs.
        notes: what is left out, and why.
        facts: what was trained on what.
        differences: settings in which the second run differs.
        charts: curves.
        columns, scores: headings and rows of the table of scores.
        verdict: of the difference between the runs.
        class_title: what the scores of classes are of.
        classes: scores of each class.
        confusion, together: tables of pairs of classes.
        sweeps: curves over thresholds.
        reliability: what probabilities are worth.
        groups: pictures.
        swatches: colours of the classes.
        texts: (run, heading, text) of data, environment and config.
    """

    title: str
    names: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    facts: list[FactRow] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    scores: list[tuple[str, list[str]]] = field(default_factory=list)
    verdict: str = ''
    class_title: str = ''
    classes: list[ClassRow] = field(default_factory=list)
    confusion: list[Matrix] = field(default_factory=list)
    together: list[Matrix] = field(default_factory=list)
    sweeps: list[Chart] = field(default_factory=list)
    reliability: list[Chart] = field(default_factory=list)
    groups: list[CardGroup] = field(default_factory=list)
    swatches: list[tuple[str, str]] = field(default_factory=list)
    texts: list[tuple[str, str, str]] = field(default_factory=list)


def build_block(title: str, looked: Sequence[LookedAt], count: int) -> ReportBlock:
    """Gather everything.

    Args:
        title: of a stage; empty for a run by itself.
        looked: one or two runs.
        count: pictures of each group.
    """
    runs = [one.run for one in looked]
    block = ReportBlock(title, tuple(run.name for run in runs))
    passes = {one.run.name: one.found for one in looked if one.found is not None}
    several = len(looked) > 1
    for one in looked:
        block.notes += [f'{one.run.name}: {n}' if several else n for n in one.notes]
    block.facts, block.differences = fact_rows(runs), setting_differences(runs)
    block.charts = scalar_charts({run.name: run.scalars for run in runs})
    _add_scores(block, looked)
    _add_classes(block, looked)
    for name, found in passes.items():
        of = f'{name}: ' if several else ''
        if found.confusion is not None:
            what = f'{of}{OUTPUT_NAMES[found.main]}, {_pictures(found)}'
            cells = shares(found.confusion).tolist()
            block.confusion.append(Matrix(what, found.classes, cells))
    charts = [sweep_chart(cam, passes) for cam in ('cam', 'aux_cam')]
    block.sweeps = [chart for chart in charts if chart is not None]
    reliable = reliability_chart(passes)
    block.reliability = [] if reliable is None else [reliable]
    _add_together(block, looked)
    block.groups = card_groups(looked, count)
    if passes:
        first = next(one for one in looked if one.runner is not None)
        meta = first.runner.picture_set.dataset.metainfo  # type: ignore[union-attr]
        block.swatches = swatches(meta['classes'], meta.get('palette'))
    _add_texts(block, looked)
    return block


def _pictures(found: PicturePass) -> str:
    part = f'{len(found.pictures)} of the {found.total}'
    part = 'all' if len(found.pictures) == found.total else part
    return f'{part} pictures of {found.split}'


def _add_scores(block: ReportBlock, looked: Sequence[LookedAt]) -> None:
    """Scores of the whole test set, where it was tested, and of the validation."""
    columns: dict[str, Mapping[str, object]] = {}
    for one in looked:
        of = f'{one.run.name}: ' if len(looked) > 1 else ''
        columns |= {f'{of}{name}': found for name, found in one.run.tests.items()}
        if one.run.scalars.last_scores:
            columns[f'{of}last validation'] = one.run.scalars.last_scores
        if one.found is not None:
            columns[f'{of}pictures of this page'] = pass_scores(one.found)
    block.columns, block.scores = list(columns), score_rows(columns)
    passes = [one.found for one in looked if one.found is not None]
    difference = difference_of(passes)
    if difference is not None:
        held = difference.low <= 0 <= difference.high
        block.verdict = (
            f'{block.names[1]} minus {block.names[0]}, '
            f'{OUTPUT_NAMES[passes[1].main]}: {difference} points of mIoU (95 % '
            f'interval over {len(passes[0].pictures)} pictures). '
            + ('It holds 0: these pictures decide nothing.' if held else '')
        )


def _add_classes(block: ReportBlock, looked: Sequence[LookedAt]) -> None:
    """Of the whole test set where every run was tested, else of the pictures here."""
    tested = [tested_areas(one.run) for one in looked]
    classes = {one.found.classes for one in looked if one.found is not None}
    if len(classes) != 1:
        return
    names = classes.pop()
    whole = [of for of in tested if of is not None and of[2].shape[-1] == len(names)]
    if len(whole) == len(looked) and len({(tuple(o[0]), o[1]) for o in whole}) == 1:
        areas = [summed(of[2]) for of in whole]
        output, what = whole[0][1], f'all {len(whole[0][0])} pictures that were tested'
    else:
        passes = [one.found for one in looked if one.found is not None]
        passes = [found for found in passes if found.main]
        if len(passes) != len(looked) or len({found.main for found in passes}) != 1:
            return
        areas = [found.areas[found.main] for found in passes]
        output, what = passes[0].main, _pictures(passes[0])
    block.class_title = f'{OUTPUT_NAMES[output]}, {what}'
    block.classes = class_rows(names, areas)


def _add_together(block: ReportBlock, looked: Sequence[LookedAt]) -> None:
    """A table for each run, one where they were trained on the same labels."""
    known = [(one, one.together) for one in looked if one.together is not None]
    if len(known) > 1 and np.array_equal(known[0][1], known[1][1]):
        known = known[:1]
    for one, table in known:
        of = f'{one.run.name}: ' if len(known) > 1 else ''
        title = f'{of}image labels of the training pictures'
        cells, counts = shares_of_diagonal(table).tolist(), table.diagonal().tolist()
        block.together.append(Matrix(title, one.foreground, cells, counts))


def _add_texts(block: ReportBlock, looked: Sequence[LookedAt]) -> None:
    for one in looked:
        run = one.run
        text = run.config.pretty_text if run.config is not None else ''
        for heading, content in (
            ('Training data', run.data),
            ('Where the weights come from', one.provenance),
            ('Environment', run.environment),
            ('Config', text),
        ):
            if content:
                block.texts.append((run.name, heading, content))
