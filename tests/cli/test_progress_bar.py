# Licensed under Apache-2.0.
"""A bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import io

import pytest

from mmwsss.cli import progress_bar as module
from mmwsss.cli.progress_bar import QuietBar, progress_bar
from mmwsss.pipeline.stage_process import progress


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, 'time', clock)
    return clock


def test_a_line_a_minute_and_one_at_the_end(clock):
    file = io.StringIO()
    bar = QuietBar(6, file)
    for second in (20, 59, 61, 100, 130, 140):
        clock.now = 100.0 + second
        bar.update()
    assert file.getvalue().splitlines() == [
        '3/6, 1.0 minutes, about 1.0 left',
        '5/6, 2.2 minutes, about 0.4 left',
        '6/6, 2.3 minutes',
    ]


def test_short_work_says_nothing(clock):
    file = io.StringIO()
    with progress_bar(3, file) as bar:
        bar.update(3)
    assert file.getvalue() == ''


def test_without_a_total_nothing_is_said(clock):
    """Only the first of several processes shows how far all are."""
    file = io.StringIO()
    with progress_bar(0, file) as bar:
        clock.now += 61
        bar.update()
    assert file.getvalue() == ''


def test_a_terminal_gets_the_bar():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    file = Terminal()
    with progress_bar(2, file) as bar:
        bar.update()
    assert '1/2' in file.getvalue() and file.getvalue().endswith('\n')


def test_a_pipeline_shows_the_line_of_a_minute(clock):
    file, shown = io.StringIO(), []
    bar = QuietBar(6, file)
    clock.now += 61
    bar.update(2)
    progress(shown.append, 'masks')(file.getvalue().strip())
    assert shown == ['masks | 2/6, 1.0 minutes, about 2.0 left']
