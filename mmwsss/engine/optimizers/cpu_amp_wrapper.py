# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmwsss.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Mixed precision on a CPU: the forward pass in bfloat16 where torch allows it.

    mmengine's ``AmpOptimWrapper`` asserts a GPU. bfloat16 has the range of float32, so
    there is no loss to scale. Weights, gradients and optimizer stay float32, and so
    does what mmwsss computes after the logits. It pays only where the processor has
    bfloat16 instructions (:func:`mmwsss.env.cpu_bfloat16.has_bfloat16`).
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of the forward pass."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield
