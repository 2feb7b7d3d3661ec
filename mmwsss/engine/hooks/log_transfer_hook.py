# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from torch import Tensor

from mmwsss.registry import HOOKS


@HOOKS.register_module()
class LogTransferHook(Hook):
    """Fetch all losses of an iteration from the device at once.

    mmengine's ``RuntimeInfoHook`` reads them one by one, and each reading waits for the
    GPU. This hook runs before it, after the optimiser step, and replaces the tensors by
    numbers with a single copy.
    """

    priority = 'HIGHEST'

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Replace the 0-dim tensors of ``outputs`` by floats, in place."""
        outputs = {} if outputs is None else outputs
        tensors = {k: v for k, v in outputs.items() if isinstance(v, Tensor)}
        if tensors:
            values = torch.stack([v.detach().float() for v in tensors.values()])
            outputs.update(zip(tensors, values.tolist()))
