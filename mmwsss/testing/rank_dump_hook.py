# Licensed under Apache-2.0.
from __future__ import annotations

import copy
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmwsss.registry import HOOKS


@HOOKS.register_module(force=True)
class RankDumpHook(Hook):
    """Write what each process holds: first batch, weights before and after."""

    priority = 'LOWEST'

    def before_train(self, runner):
        self._save(runner, 'before', self._weights(runner))

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx == 0:
            self._save(runner, 'batch', copy.deepcopy(data_batch))

    def after_train(self, runner):
        self._save(runner, 'after', self._weights(runner))

    def _weights(self, runner):
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        return {k: v.detach().clone() for k, v in model.state_dict().items()}

    def _save(self, runner, name, what):
        torch.save(what, Path(runner.work_dir) / f'{name}_rank{get_rank()}.pth')
