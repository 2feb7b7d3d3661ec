# Licensed under Apache-2.0.
from __future__ import annotations

import math
from typing import Any

from mmwsss.registry import PARAM_SCHEDULERS

from .warmup_lr import WarmupLR


def cosine_warmup_factor(
    step: int, warmup_iters: int, total_iters: int, warmup_ratio: float = 0.1
) -> float:
    """Factor on the base learning rate at zero-based iteration ``step``.

    Linear warm-up ``ratio + (1 - ratio) t / warm``, then half a cosine
    ``(1 + cos(pi (t - warm) / (total - warm))) / 2``; constant from ``total`` on.
    Source: released code of FSR (AAAI 2024).

    Args:
        step: t >= 0.
        warmup_iters: Length of the warm-up, >= 0.
        total_iters: End of the decay, > ``warmup_iters``.
        warmup_ratio: Factor at t = 0.

    Returns:
        Factor in [0, 1].
    """
    if step < warmup_iters:
        return warmup_ratio + (1 - warmup_ratio) * step / warmup_iters
    done = min(step, total_iters - 1) - warmup_iters
    return (1 + math.cos(math.pi * done / (total_iters - warmup_iters))) / 2


@PARAM_SCHEDULERS.register_module()
class CosineWarmupLR(WarmupLR):
    """Learning rate = base rate × :func:`cosine_warmup_factor`.

    mmengine's ``LinearLR`` reaches its end one iteration before its own ``end``.

    Args:
        optimizer: Optimizer or its wrapper.
        *args: See :class:`WarmupLR`.
        warmup_ratio: Factor at iteration 0.
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(
        self, optimizer: Any, *args: Any, warmup_ratio: float = 0.1, **kwargs: Any
    ) -> None:
        self.warmup_ratio = warmup_ratio
        super().__init__(optimizer, *args, **kwargs)

    def factor(self, step: int) -> float:
        """See :func:`cosine_warmup_factor`."""
        return cosine_warmup_factor(
            step, self.warmup_iters, self.total_iters, self.warmup_ratio
        )
