# Licensed under Apache-2.0.
from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import CheckpointHook, Hook

from mmwsss.registry import HOOKS

#: exit code of a training that was told to end: try again later (``sysexits.h``)
STOPPED = 75


@HOOKS.register_module()
class StopSignalHook(Hook):
    """A training that is told to end writes a checkpoint first.

    Clusters send SIGTERM, or SIGUSR1 where a job asked for it (``sbatch
    --signal=USR1@120``), some time before they end a job. After the iteration at work,
    or the picture that is validated, a checkpoint is written, and the training ends
    with the exit code 75. All processes of a training end together, also where one
    alone got the signal; a second signal ends it at once. All command lines add this
    hook by themselves.

    The processes that read pictures ignore these signals where a cluster sends them to
    all: they end with the training.

    Args:
        signals: their names.
    """

    priority = 'LOWEST'  # after the checkpoint that may be due anyway

    def __init__(self, signals: Sequence[str] = ('SIGTERM', 'SIGUSR1')) -> None:
        self.signals = [signal.Signals[name] for name in signals]
        self.got: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Any) -> None:
        """Listen from now on."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets the main thread alone listen
        self.got = None
        for number in self.signals:
            self._before[number] = signal.signal(number, self._note)
        loader = runner.train_dataloader
        if getattr(loader, 'num_workers', 0):
            loader.worker_init_fn = partial(
                _deaf_worker, self.signals, loader.worker_init_fn
            )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """End, if one of the processes was told to.

        Raises:
            SystemExit: with the code 75, after the checkpoint.
        """
        if self._any_told():
            self._end(runner, runner.iter + 1)

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """As after an iteration; a run that goes on validates again.

        Processes validate different numbers of pictures, so that where there are
        several they end after the next iteration.
        """
        if self.got and self._before and get_world_size() == 1:
            self._end(runner, runner.iter)

    def after_train(self, runner: Any) -> None:
        """Listen no more."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, _: Any) -> None:
        if self.got is not None:  # told twice: at once
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.got = signal.Signals(number).name

    def _any_told(self) -> bool:
        if get_world_size() == 1:
            return self.got is not None
        told = torch.tensor(float(self.got is not None))
        all_reduce(told, 'max')
        return bool(told > 0)

    def _end(self, runner: Any, step: int) -> None:
        hooks = [h for h in runner.hooks if isinstance(h, CheckpointHook)]
        for hook in hooks:
            if not str(getattr(hook, 'last_ckpt', '')).endswith(f'iter_{step}.pth'):
                meta = dict(epoch=runner.epoch, iter=step)
                hook._save_checkpoint_with_step(runner, step, meta=meta)
        left = f'iter_{step}.pth is written' if hooks else 'it writes no checkpoints'
        runner.logger.warning(
            f'{self.got or "another process"}: the training was told to end; {left}. '
            'The same command with --resume goes on from there.'
        )
        alone, heard = get_world_size() == 1, list(self._before)
        self.after_train(runner)
        for number in () if alone else heard:  # srun ends all when the first is gone
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(STOPPED)


def _deaf_worker(
    signals: Sequence[signal.Signals],
    begin: Callable[[int], None] | None,
    worker_id: int,
) -> None:
    """Begin a process that reads pictures; only the parent's SIGTERM counts in it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # of all threads to come, too
    threading.Thread(target=_obey_parent, args=(signals,), daemon=True).start()
    if begin is not None:
        begin(worker_id)


def _obey_parent(signals: Sequence[signal.Signals]) -> None:
    # Python asks its children to end so, and waits for them.
    while True:
        found = signal.sigwaitinfo(signals)
        if found.si_signo == signal.SIGTERM and found.si_pid == os.getppid():
            os._exit(0)
