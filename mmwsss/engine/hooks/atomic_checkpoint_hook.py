# Licensed under Apache-2.0.
from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.plain import restore_message_hub, to_plain
from mmwsss.registry import HOOKS

#: prefixes of the scores that read image labels only
IMAGE_SCORES = ('cls_', 'sim_')


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's ``CheckpointHook`` whose files survive a kill at any moment.

    A checkpoint (and the pointer ``last_checkpoint``) is written under a temporary
    name and renamed; an outdated one is deleted only after its successor is on disk.
    What is saved is plain data (:func:`mmwsss.io.plain.to_plain`), so that
    resuming runs without unpickling code.

    A checkpoint is saved before the validation of its iteration, which a kill may cut
    off. A run that goes on from it validates first, so that no score and no choice of
    ``save_best`` is lost, also where nothing is left to train.

    Where ``save_best`` names a score of pixels, the log says that the choice reads
    pixel labels, which weakly supervised training doesn't have.

    Args:
        backend_args: File backend, default the atomic local one.
        **kwargs: As for ``CheckpointHook``.
    """

    file_backend: Any  #: one of mmengine's, which may be replaced for a while

    def __init__(
        self, *args: Any, backend_args: dict | None = None, **kwargs: Any
    ) -> None:
        backend_args = dict(backend='atomic') if backend_args is None else backend_args
        super().__init__(*args, backend_args=backend_args, **kwargs)

    def before_train(self, runner: Any) -> None:
        """As in mmengine; tells what the choice of a checkpoint reads, and makes up for
        a validation that may have been cut off."""
        super().before_train(runner)
        keys = [self.save_best] if isinstance(self.save_best, str) else self.save_best
        pixels = [key for key in keys or () if not key.startswith(IMAGE_SCORES)]
        if pixels:
            print_log(
                f'save_best={pixels}: the best checkpoint is chosen by the PIXEL '
                'labels of the validation images; the last one is not',
                'current',
                logging.WARNING,
            )
        if _validates_at_once(runner):
            print_log(
                f'The validation of iteration {runner.iter} may have been cut '
                'off: it is done again.',
                'current',
            )
            runner.val_loop.run()

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Make everything plain; runs last (lowest priority), after other hooks."""
        for key in list(checkpoint):
            checkpoint[key] = to_plain(checkpoint[key], key)

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Rebuild the message hub's history buffers."""
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = restore_message_hub(checkpoint['message_hub'])

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        """Save, point at the new file, then delete the outdated one."""
        outdated = self._advance_kept(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if not is_main_process():
            return
        write_atomic(
            self.last_ckpt.encode(), osp.join(runner.work_dir, 'last_checkpoint')
        )
        if outdated is not None:
            self._delete(self.file_backend.join_path(self.out_dir, outdated))

    def _advance_kept(self, runner: Any, step: int) -> str | None:
        """Note ``step`` as kept; returns the file name that drops out, if any."""
        if self.max_keep_ckpts <= 0 or (
            self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step
        ):
            return None
        outdated = None
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            outdated = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        """As mmengine, but the previous best file goes after the new one is there."""
        with self._deletions_deferred():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _deletions_deferred(self) -> Iterator[None]:
        """Collect the deletions of the block and carry them out at its end."""
        doomed: list[str] = []
        backend = self.file_backend
        self.file_backend = _DeferredRemoval(backend, doomed)
        try:
            yield
        finally:
            self.file_backend = backend
        kept = {
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
            self.last_ckpt,
        }
        for path in doomed:
            if path not in kept:
                self._delete(path)

    def _delete(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # deepspeed saves folders
            self.file_backend.rmtree(path)


def _validates_at_once(runner: Any) -> bool:
    """Whether a run goes on from a checkpoint that a validation came after."""
    step, loop = runner.iter, runner.train_loop
    return bool(
        runner._resume
        and step
        and runner.val_loop is not None
        and isinstance(loop, IterBasedTrainLoop)  # the others' intervals are epochs
        and step >= loop.val_begin
        and (step % loop.val_interval == 0 or step == loop.max_iters)
    )


class _DeferredRemoval:
    """A file backend that notes removals instead of carrying them out."""

    def __init__(self, backend: Any, doomed: list[str]) -> None:
        self._backend = backend
        self._doomed = doomed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._doomed.append(path)

    rmtree = remove
