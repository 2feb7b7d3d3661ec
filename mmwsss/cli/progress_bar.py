# Licensed under Apache-2.0.
"""A bar on a terminal, one line a minute anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from mmengine.utils import ProgressBar

#: seconds between two lines where the output is no terminal
EVERY = 60.0


class QuietBar:
    """What :class:`mmengine.utils.ProgressBar` does, for logs and pipes.

    Writes a line after the first minute, then one a minute, and one at the end; of work
    that takes less than a minute nothing at all.

    Args:
        total: number of steps; 0: nothing is ever said.
        file: where the lines go.
        every: seconds between two lines.
    """

    def __init__(self, total: int, file: TextIO, every: float = EVERY) -> None:
        self.total, self.file, self.every = total, file, every
        self.completed = 0
        self._begin = self._said = time.monotonic()

    def update(self, count: int = 1) -> None:
        """Note that ``count`` further steps are done."""
        self.completed += count
        now = time.monotonic()
        late = now - self._said >= self.every
        ends = self.completed >= self.total and self._said > self._begin
        if self.total and (late or ends):
            self._said = now
            took = now - self._begin
            left = took / self.completed * max(self.total - self.completed, 0)
            self.file.write(
                f'{self.completed}/{self.total}, {took / 60:.1f} minutes'
                + (f', about {left / 60:.1f} left\n' if left else '\n')
            )
            self.file.flush()


@contextmanager
def progress_bar(total: int, file: TextIO | None = None) -> Iterator[Any]:
    """A bar with a method ``update``, whose line is ended in any case.

    Args:
        total: number of steps; 0: nothing is shown.
        file: where it goes; ``None``: standard error.
    """
    file = sys.stderr if file is None else file
    if not total or not file.isatty():
        yield QuietBar(total, file)
        return
    try:
        yield ProgressBar(total, file=file)
    finally:
        file.write('\n')
