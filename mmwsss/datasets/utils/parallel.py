# Licensed under Apache-2.0.
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import TypeVar

from mmengine.utils import ProgressBar

Task = TypeVar('Task')
Result = TypeVar('Result')


def parallel_map(function: Callable[[Task], Result], tasks: Sequence[Task],
                 workers: int) -> list[Result]:
    """Apply a function to all tasks in processes, with a progress bar.

    The results come in the order of the tasks, whatever process was first. An
    error in one task stops all of them.

    Args:
        function: can be pickled.
        tasks: can be pickled.
        workers: number of processes; 0 or 1 works in this one.
    """
    bar = ProgressBar(len(tasks), file=sys.stderr) if tasks else None
    results = []
    if workers <= 1:
        for task in tasks:
            results.append(function(task))
            bar.update()
        return results
    with get_context().Pool(workers) as pool:
        for result in pool.imap(function, tasks, chunksize=8):
            results.append(result)
            bar.update()
    return results
