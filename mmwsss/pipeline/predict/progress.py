# Licensed under Apache-2.0.
"""A bar for a person who waits; nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar('T')


def with_progress(things: Iterable[T], total: int, wanted: bool = True) -> Iterable[T]:
    """The same things, with a bar on the terminal's standard error.

    Args:
        things: one after the other.
        total: how many.
        wanted: whether there is a bar; never where standard error is no terminal.
    """
    if total < 2 or not wanted or not sys.stderr.isatty():
        return things
    from rich.console import Console  # slow to import, and rarely needed
    from rich.progress import track

    return track(things, 'predicting', total, console=Console(stderr=True))
