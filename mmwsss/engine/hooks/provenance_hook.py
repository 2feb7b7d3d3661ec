# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint

from mmwsss.io.provenance import (
    KEY,
    continued,
    make_record,
    parent,
    record_in,
    weights_in,
)
from mmwsss.registry import HOOKS


@HOOKS.register_module()
class ProvenanceHook(Hook):
    """Checkpoints say which code, settings, data and weights they come from.

    The record (:mod:`mmwsss.io.provenance`) stands in ``meta['provenance']`` of a
    checkpoint. It is made when the first one is saved, so that no start waits for it.
    A run that goes on keeps the record of the checkpoint that it goes on from, with the
    iteration; where code, settings or data are others since, that record becomes the
    parent of a new one. All command lines add this hook by themselves.
    """

    priority = 'LOW'  # before AtomicCheckpointHook makes everything plain

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None
        self._record: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Any, checkpoint: Mapping[str, Any]) -> None:
        """Note what the run starts from: the file, and what that says of itself."""
        source = runner._load_from or find_latest_checkpoint(runner.work_dir)
        iteration = (checkpoint.get('meta') or {}).get('iter')
        self._loaded = dict(
            source=str(source), record=record_in(checkpoint), iteration=iteration
        )

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Put the record into a checkpoint; on the first process, as all saving."""
        if self._record is None:
            self._record = self._make(runner)
        checkpoint['meta'][KEY] = self._record

    def _make(self, runner: Any) -> dict[str, Any]:
        parents = [parent(*named) for named in weights_in(runner.cfg.get('model'))]
        loaded = self._loaded
        if loaded and not runner._resume:
            parents.append(parent('load_from', **loaded))
        data = [runner.train_dataloader.dataset]
        record = make_record(runner.cfg, data, parents)
        return _resumed(record, loaded) if loaded and runner._resume else record


def _resumed(record: dict[str, Any], loaded: dict[str, Any]) -> dict[str, Any]:
    """The record of a run that goes on from a checkpoint of its own, or of another."""
    how = parent('resume', **loaded)
    iteration, there = how.pop('iteration'), how.pop('record')
    kept = continued(there, record, iteration=iteration, **how)
    return {**kept, 'resumed': [*kept.get('resumed', ()), iteration]}
