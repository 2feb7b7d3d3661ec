# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmengine.optim import _ParamScheduler

from mmwsss.registry import PARAM_SCHEDULERS


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
class PolyWarmupLR(_ParamScheduler):
    """Learning rate = base rate × :func:`poly_warmup_factor`.

    mmengine's ``LinearLR`` followed by ``PolyLR`` can't express it: ``PolyLR`` decays
    from the rate that it finds at its own ``begin``.

    Args:
        optimizer: Optimizer or its wrapper.
        warmup_iters: Length of the warm-up in iterations.
        total_iters: Length of the decay. Default: ``end``.
        warmup_ratio: Factor at iteration 0.
        power: Exponent of the decay.
        by_epoch: Must be False, also in the config; the formula counts iterations.
        end: Used for ``total_iters`` only; the runner fills in its ``max_iters``.
        **kwargs: ``last_step``, ``verbose`` of mmengine.

    Raises:
        ValueError: ``total_iters`` doesn't exceed ``warmup_iters``, neither it nor
            ``end`` is given, or ``by_epoch=True``.
    """

    def __init__(
        self,
        optimizer: Any,
        warmup_iters: int,
        total_iters: int | None = None,
        warmup_ratio: float = 1e-6,
        power: float = 0.9,
        by_epoch: bool = False,
        end: int | None = None,
        **kwargs: Any,
    ) -> None:
        total_iters = end if total_iters is None else total_iters
        if by_epoch or total_iters is None:
            raise ValueError(
                'PolyWarmupLR counts iterations: it needs by_epoch=False '
                'and total_iters (or a runner, which gives max_iters)'
            )
        if not 0 <= warmup_iters < total_iters:
            raise ValueError(
                f'PolyWarmupLR: warmup_iters={warmup_iters} must be less than '
                f'total_iters={total_iters}. Shorten the warm-up of a short run '
                '(param_scheduler.0.warmup_iters=...) and keep by_epoch=False there.'
            )
        self.warmup_iters = warmup_iters
        self.total_iters = total_iters
        self.warmup_ratio = warmup_ratio
        self.power = power
        super().__init__(optimizer, 'lr', by_epoch=by_epoch, **kwargs)

    def _get_value(self) -> list[float]:
        factor = poly_warmup_factor(
            self.last_step,
            self.warmup_iters,
            self.total_iters,
            self.warmup_ratio,
            self.power,
        )
        return [base * factor for base in self.base_values]
