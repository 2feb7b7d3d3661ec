# Licensed under Apache-2.0.
"""Calls of a function in this process, in threads or in processes.

:class:`Workers` is the one pool of mmwsss: a worker that is killed is an error and
never a wait without end, and no worker outlives the process that started it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing.context import BaseContext
from threading import Thread
from typing import TypeVar

import torch

from mmwsss.cli.progress_bar import progress_bar

Task = TypeVar('Task')
Result = TypeVar('Result')
_AHEAD = 4  # tasks that are begun or wait, for each worker


class Workers:
    """Calls a function for many tasks; at most four a worker are under way.

    Use it as a context. Leaving it ends the workers: after an error, or Ctrl-C, the
    tasks at work are finished and no other is begun.

    Args:
        count: Number of workers; 0: the function is called in this thread.
        threads: Threads of this process instead of processes of one thread each.
        device: What threads compute on, e.g. ``'cuda:1'``: the current GPU is a
            setting of each thread.
        preload: Modules that processes need beside torch: they are imported once for
            all of them, where the system can do that.
    """

    def __init__(
        self,
        count: int,
        *,
        threads: bool = False,
        device: str = 'cpu',
        preload: Sequence[str] = (),
    ) -> None:
        self.count = count
        self.pool: Executor | None = None
        if count and threads:
            choose = None if device == 'cpu' else partial(torch.cuda.set_device, device)
            self.pool = ThreadPoolExecutor(count, initializer=choose)
        elif count:
            self.pool = ProcessPoolExecutor(
                count, _clean_processes(preload), initializer=_start_worker
            )

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        ordered: bool = True,
    ) -> Iterator[tuple[Task, Result]]:
        """Each task with what the function gives for it.

        Args:
            function: Of one argument; for processes it can be pickled, as the tasks.
            tasks: They are taken one by one, as workers become free.
            ordered: Results come in the order of the tasks, else as they are ready.

        Raises:
            RuntimeError: A worker process was killed.
            Exception: Of the function, for the first task that comes up.
        """
        pool = self.pool
        if pool is None:
            for task in tasks:
                yield task, function(task)
            return
        waiting: dict[Future[Result], Task] = {}
        tasks = iter(tasks)
        while True:
            for task in islice(tasks, _AHEAD * self.count - len(waiting)):
                waiting[_submit(pool, function, task)] = task
            if not waiting:
                return
            for future in self._ready(waiting, ordered):
                yield waiting.pop(future), _result(future)

    @staticmethod
    def _ready(
        waiting: dict[Future[Result], Task], ordered: bool
    ) -> list[Future[Result]]:
        if ordered:
            return [next(iter(waiting))]
        return list(wait(waiting, return_when=FIRST_COMPLETED).done)


def _submit(
    pool: Executor, function: Callable[[Task], Result], task: Task
) -> Future[Result]:
    try:
        return pool.submit(function, task)
    except BrokenProcessPool as err:  # a worker died since the last result
        raise _killed() from err


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as err:
        raise _killed() from err


def _killed() -> RuntimeError:
    return RuntimeError(
        'a worker process was killed, perhaps for want of memory (run it again with '
        "fewer workers), or the script has no `if __name__ == '__main__':` around its "
        'call: what is finished stays'
    )


def parallel_map(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    preload: Sequence[str] = (),
    show: bool = True,
) -> list[Result]:
    """Apply a function to all tasks in processes, with a progress bar.

    Args:
        function: Of one argument; can be pickled.
        tasks: Can be pickled.
        workers: Number of processes; 0 or 1: the work is done in this one.
        preload: See :class:`Workers`.
        show: The bar.

    Returns:
        The results in the order of the tasks.

    Raises:
        RuntimeError: A worker process was killed.
        Exception: Of the function; no further task is begun.
    """
    results = []
    with (
        Workers(workers if workers > 1 else 0, preload=preload) as pool,
        progress_bar(len(tasks) if show else 0) as bar,
    ):
        for _, result in pool.map(function, tasks):
            results.append(result)
            bar.update()
    return results


def _clean_processes(preload: Sequence[str]) -> BaseContext:
    """New processes that inherit nothing; a server imports once, where there is one."""
    if 'forkserver' not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context('spawn')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([__name__, *preload])
    return context


def _start_worker() -> None:
    """One thread a process; Ctrl-C is left to the parent, whose end ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A killed parent can't end its workers, and they'd wait for tasks for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
