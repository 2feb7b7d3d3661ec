# Licensed under Apache-2.0.
from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from torch import Tensor

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.weights import CheckpointMismatch, refuse_not_finite
from mmwsss.registry import HOOKS

#: files of the work dir that tell how a training diverged; ``N``: the process
REPORT = 'diverged_{}.json'
BATCH = 'diverged_{}.pth'


class DivergenceError(UserError):
    """A loss or a weight is NaN or infinite."""


@HOOKS.register_module()
class DivergenceHook(Hook):
    """A training whose losses or weights are NaN or infinite stops.

    Every term of the loss (its name holds ``loss``, as mmengine has it) is looked at
    after its iteration, the weights before they are saved: a checkpoint that is good is
    never replaced by one that isn't. What can tell the cause is left in the work dir,
    for each process its own: ``diverged_0.json`` (iteration, losses, learning rates,
    pictures) and ``diverged_0.pth`` (the pictures as the network got them). All command
    lines add this hook by themselves.

    :class:`LogTransferHook` has fetched the losses before, so that nothing here waits
    for the device.

    Args:
        keep_going: say it once and go on (``--keep-going``).
    """

    priority = 'VERY_HIGH'

    def __init__(self, keep_going: bool = False) -> None:
        self.keep_going = keep_going
        self.told = False

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Mapping[str, Any] | None = None,
    ) -> None:
        """Look at the losses.

        Raises:
            DivergenceError: naming the terms, the iteration and the pictures.
        """
        losses = dict(_scalars(outputs))
        wrong = [k for k, v in losses.items() if 'loss' in k and not math.isfinite(v)]
        if not wrong or self.told:
            return
        facts = dict(
            iteration=runner.iter + 1,
            losses=losses,
            learning_rates={k: v[0] for k, v in runner.optim_wrapper.get_lr().items()},
            pictures=_pictures(data_batch),
            seed=runner.seed,
        )
        report = _leave(facts, data_batch, runner.work_dir)
        values = ', '.join(f'{name} = {losses[name]}' for name in wrong)
        self._stop(runner, f'iteration {runner.iter + 1}: {values}', str(report))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Look at the weights that are about to be saved.

        Raises:
            DivergenceError: naming a tensor.
        """
        try:
            refuse_not_finite(checkpoint.get('state_dict', {}), 'the network')
        except CheckpointMismatch as error:
            if not self.told:
                self._stop(runner, f'iteration {runner.iter + 1}: {error}', None)

    def _stop(self, runner: Any, what: str, report: str | None) -> None:
        """Say it; raise, unless the training is to go on."""
        self.told = True
        if self.keep_going:
            runner.logger.log(
                logging.WARNING, f'{what}: the training has diverged and goes on'
            )
            return
        last = find_latest_checkpoint(runner.work_dir)
        raise DivergenceError(
            f'{what}: the training has diverged and is stopped. Pictures, losses and '
            f'learning rates: {report or runner.log_dir}. '
            f'The last good checkpoint: {last or "none was written yet"}. '
            'Try a lower rate (--cfg-options optim_wrapper.optimizer.lr=...) or '
            'optim_wrapper.clip_grad.max_norm=1; without --amp if it was on; '
            '--keep-going trains on'
        )


def _scalars(outputs: Mapping[str, Any] | None) -> list[tuple[str, float]]:
    """Losses by name: numbers, or tensors of one value."""
    found = []
    for name, value in (outputs or {}).items():
        if isinstance(value, Tensor) and value.numel() == 1:
            found.append((name, value.item()))
        elif isinstance(value, (int, float)):
            found.append((name, float(value)))
    return found


def _pictures(data_batch: Any) -> list[str]:
    """The files of a batch's pictures, as far as it tells them."""
    samples = (data_batch or {}).get('data_samples', ())
    return [str(sample.metainfo.get('img_path', '?')) for sample in samples]


def _leave(facts: dict, data_batch: Any, work_dir: str) -> Path:
    """Write the report and the batch; returns the report's file."""
    folder, rank = Path(work_dir), get_rank()
    inputs = (data_batch or {}).get('inputs')
    if inputs is not None:
        buffer = io.BytesIO()
        torch.save(dict(inputs=inputs, pictures=facts['pictures']), buffer)
        write_atomic(buffer.getvalue(), folder / BATCH.format(rank))
    text = json.dumps({**facts, 'losses': _told(facts['losses'])}, indent=2)
    write_atomic(f'{text}\n'.encode(), folder / REPORT.format(rank))
    return folder / REPORT.format(rank)


def _told(losses: Mapping[str, float]) -> dict[str, float | str]:
    """Losses as JSON knows them, which has no NaN: ``'nan'``, ``'inf'``."""
    return {k: v if math.isfinite(v) else str(v) for k, v in losses.items()}
