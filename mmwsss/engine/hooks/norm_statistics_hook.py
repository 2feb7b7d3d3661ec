# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class NormStatisticsHook(Hook):
    """Average the running statistics of batch norms over processes, each iteration.

    Without a GPU there is no SyncBN: each process then normalises by its own images.
    Their running statistics are moving averages, so the mean of all processes' is the
    average over all images, and every process tests and resumes with the same. A run
    that is launched on a CPU with several processes has this hook by itself.
    """

    priority = 'ABOVE_NORMAL'  # before checkpoints and validation

    @torch.no_grad()
    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Replace the statistics by their mean over the processes."""
        if get_world_size() == 1:
            return
        statistics = [
            buffer
            for module in runner.model.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats
            for buffer in (module.running_mean, module.running_var)
        ]
        if not statistics:
            return
        flat = torch.cat([buffer.flatten() for buffer in statistics])
        all_reduce(flat, op='mean')
        parts = flat.split([buffer.numel() for buffer in statistics])
        for buffer, mean in zip(statistics, parts, strict=True):
            buffer.copy_(mean.view_as(buffer))
