# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

from mmengine.optim import _ParamScheduler


class WarmupLR(_ParamScheduler):
    """Base of learning-rate schedules given by one formula of the iteration.

    A subclass says :meth:`factor`; the rate is the base rate times it.

    Args:
        optimizer: Optimizer or its wrapper.
        warmup_iters: Length of the warm-up in iterations.
        total_iters: Length of the whole schedule. Default: ``end``.
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
        by_epoch: bool = False,
        end: int | None = None,
        **kwargs: Any,
    ) -> None:
        total_iters = end if total_iters is None else total_iters
        name = type(self).__name__
        if by_epoch or total_iters is None:
            raise ValueError(
                f'{name} counts iterations: it needs by_epoch=False '
                'and total_iters (or a runner, which gives max_iters)'
            )
        if not 0 <= warmup_iters < total_iters:
            raise ValueError(
                f'{name}: warmup_iters={warmup_iters} must be less than '
                f'total_iters={total_iters}. Shorten the warm-up of a short run '
                '(param_scheduler.0.warmup_iters=...) and keep by_epoch=False there.'
            )
        self.warmup_iters = warmup_iters
        self.total_iters = total_iters
        super().__init__(optimizer, 'lr', by_epoch=by_epoch, **kwargs)

    def factor(self, step: int) -> float:
        """Factor on the base rates at zero-based iteration ``step``."""
        raise NotImplementedError

    def _get_value(self) -> list[float]:
        factor = self.factor(self.last_step)
        return [base * factor for base in self.base_values]
