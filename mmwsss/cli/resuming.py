# Licensed under Apache-2.0.
"""Whether a training goes on, and from what."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.logging import print_log
from mmengine.runner import find_latest_checkpoint

from mmwsss.io.errors import UserError

#: how often Slurm has put a job back into its queue and started it again
_RESTARTS = 'SLURM_RESTART_COUNT'


def requeued(work_dir: str) -> str | None:
    """``'auto'`` in a job that Slurm has started again after it wrote a checkpoint.

    Args:
        work_dir: of the training.
    """
    if os.environ.get(_RESTARTS, '0') == '0' or not find_latest_checkpoint(work_dir):
        return None
    print_log(f'{_RESTARTS}={os.environ[_RESTARTS]}: the training goes on (--resume)')
    return 'auto'


def check_resumable(work_dir: str) -> None:
    """``--resume`` goes on from what ``last_checkpoint`` names, or begins a new run.

    Raises:
        UserError: if there are checkpoints, and the file that names the last one is
            missing, or names one that is no more: a new run would replace them.
    """
    last = find_latest_checkpoint(work_dir)
    found = sorted(Path(work_dir).glob('iter_*.pth'), key=_iteration)
    if last is not None and Path(last).exists():
        return
    if found:
        lacks = 'is not there' if last is None else f'names {last}, which is not there'
        raise UserError(
            f'{Path(work_dir) / "last_checkpoint"} {lacks}, and there are '
            f'{len(found)} checkpoints: name the one to go on from (--resume '
            f'{found[-1]}), or give another --work-dir'
        )
    print_log(f'--resume: no checkpoint in {work_dir}, a new run begins')


def _iteration(file: Path) -> int:
    number = file.stem.rpartition('_')[2]
    return int(number) if number.isdigit() else -1
