# Licensed under Apache-2.0.
from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import TypeVar

import torch
from mmengine.utils import ProgressBar

Task = TypeVar('Task')
Result = TypeVar('Result')


def parallel_map(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    preload: Sequence[str] = (),
) -> list[Result]:
    """Apply a function to all tasks in processes, with a progress bar.

    The results come in the order of the tasks, whatever process was first. An
    error in one task stops all of them.

    Args:
        function: can be pickled.
        tasks: can be pickled.
        workers: number of processes; 0 or 1 works in this one.
        preload: modules that the processes import; where any are named the processes
            are clean and of one thread, as functions that use torch need them.
    """
    bar = ProgressBar(len(tasks), file=sys.stderr) if tasks else None
    results = []
    if workers <= 1:
        for task in tasks:
            results.append(function(task))
            bar.update()
        return results
    context = clean_processes(*preload) if preload else get_context()
    with context.Pool(workers, start_worker if preload else None) as pool:
        for result in pool.imap(function, tasks, chunksize=8):
            results.append(result)
            bar.update()
    return results


def clean_processes(*preload: str) -> BaseContext:
    """New processes that inherit nothing; a server imports once, where there is one."""
    if 'forkserver' not in get_all_start_methods():
        return get_context('spawn')
    context = get_context('forkserver')
    context.set_forkserver_preload(list(preload))
    return context


def start_worker() -> None:
    """One thread a process; the interrupt is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
