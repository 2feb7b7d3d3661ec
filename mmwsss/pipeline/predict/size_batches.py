# Licensed under Apache-2.0.
"""Batches of things of one size out of a stream of several."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar('T')
#: batches' worth of things that wait for others of their size
_WAITING = 4


def batches_by_size(
    things: Iterable[T], size_of: Callable[[T], Hashable], batch_size: int
) -> Iterator[list[T]]:
    """Batches of one size each; within a size the order stays.

    Args:
        things: one after the other; at most four batches of them are held.
        size_of: ``None`` of those that go alone, and at once.
        batch_size: at most so many in a batch.

    Yields:
        Lists of 1 to ``batch_size``.
    """
    waiting: dict[Hashable, list[T]] = {}
    for thing in things:
        size = size_of(thing)
        if size is None:
            yield [thing]
            continue
        waiting.setdefault(size, []).append(thing)
        if len(waiting[size]) == batch_size:
            yield waiting.pop(size)
        elif sum(map(len, waiting.values())) >= _WAITING * batch_size:
            yield waiting.pop(max(waiting, key=lambda one: len(waiting[one])))
    yield from waiting.values()
