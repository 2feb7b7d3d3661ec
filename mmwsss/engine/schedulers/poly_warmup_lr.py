# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmwsss.registry import PARAM_SCHEDULERS

from .warmup_lr import WarmupLR


def poly_warmup_factor(
    step: int,
    warmup_iters: int,
    total_iters: int,
    warmup_ratio: float = 1e-6,
    power: float = 0.9,
) -> float:
    """Factor on the base learning rate at zero-based iteration ``step``.

    Linear warm-up ``1 - (1 - t / warm) (1 - ratio)``, then ``(1 - t / total)^power``
    with t counted from the very beginning, so the rate drops a little where warm-up
    ends; constant from ``total`` on. Source: released code of AFA and ToCo
    (CVPR 2022, 2023).

    Args:
        step: t >= 0.
        warmup_iters: Length of the warm-up, >= 0.
        total_iters: Length of the decay, > ``warmup_iters``.
        warmup_ratio: Factor at t = 0.
        power: Exponent of the decay.

    Returns:
        Factor in [0, 1].
    """
    if step < warmup_iters:
        return 1 - (1 - step / warmup_iters) * (1 - warmup_ratio)
    return (1 - min(step, total_iters - 1) / total_iters) ** power


@PARAM_SCHEDULERS.register_module()
class PolyWarmupLR(WarmupLR):
    """Learning rate = base rate × :func:`poly_warmup_factor`.

    mmengine's ``LinearLR`` followed by ``PolyLR`` can't express it: ``PolyLR`` decays
    from the rate that it finds at its own ``begin``.

    Args:
        optimizer: Optimizer or its wrapper.
        warmup_iters: Length of the warm-up in iterations.
        total_iters: Length of the decay. Default: ``end``.
        warmup_ratio: Factor at iteration 0.
        power: Exponent of the decay.
        hold: Iterations for which a rate is kept before it changes (DeepLab-v2 in
            Caffe's manner: 10).
        **kwargs: See :class:`WarmupLR`.
    """

    def __init__(
        self,
        optimizer: Any,
        warmup_iters: int,
        total_iters: int | None = None,
        warmup_ratio: float = 1e-6,
        power: float = 0.9,
        hold: int = 1,
        **kwargs: Any,
    ) -> None:
        self.warmup_ratio = warmup_ratio
        self.power = power
        if hold < 1:
            raise ValueError(f'hold must be at least 1, got {hold}')
        self.hold = hold
        super().__init__(optimizer, warmup_iters, total_iters, **kwargs)

    def factor(self, step: int) -> float:
        """See :func:`poly_warmup_factor`."""
        return poly_warmup_factor(
            step - step % self.hold,
            self.warmup_iters,
            self.total_iters,
            self.warmup_ratio,
            self.power,
        )
