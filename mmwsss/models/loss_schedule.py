# Licensed under Apache-2.0.
from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

Steps = Sequence[tuple[int, Any]]


class StepSchedule:
    """A value that changes at given iterations.

    Args:
        steps: a constant, or ``[(begin, value), …]`` with ascending zero-based
            iterations from 0 on: the value holds from its ``begin`` up to the next.

        choices: the values that are known; ``None``: any.
        name: of the setting, for the error.

    Raises:
        ValueError: if the steps don't start at 0 or don't ascend, or a value is
            unknown.

    Example:
        >>> weight = StepSchedule([(0, 0.0), (2001, 0.1)])
        >>> weight(2000), weight(2001)
        (0.0, 0.1)
    """

    def __init__(
        self, steps: Any, choices: Sequence[Any] | None = None, name: str = 'a value'
    ) -> None:
        if not isinstance(steps, (list, tuple)):
            steps = [(0, steps)]
        self.begins = [begin for begin, _ in steps]
        self.values = [value for _, value in steps]
        if not steps or self.begins[0] != 0 or sorted(set(self.begins)) != self.begins:
            raise ValueError(
                'a schedule is [(0, value), (begin, value), …] with ascending '
                f'iterations, got {steps}'
            )
        unknown = [v for v in self.values if choices is not None and v not in choices]
        if unknown:
            raise ValueError(f'{name} must be one of {choices}, got {unknown}')

    def __call__(self, iteration: int) -> Any:
        """The value at a zero-based iteration."""
        return self.values[bisect_right(self.begins, iteration) - 1]


class LossSchedule:
    """The weight of every loss term at every iteration.

    Args:
        weights: term → constant or steps, see :class:`StepSchedule`.
    """

    def __init__(self, weights: Mapping[str, Any]) -> None:
        self.weights = {name: StepSchedule(steps) for name, steps in weights.items()}

    def __call__(self, iteration: int) -> dict[str, float]:
        """The terms that are active at an iteration with their weights."""
        now = {name: weight(iteration) for name, weight in self.weights.items()}
        return {name: weight for name, weight in now.items() if weight}

    def begins_from(self, iteration: int) -> dict[str, int]:
        """The terms that are inactive before an iteration and active later on.

        Returns:
            Term → the iteration at which it begins.
        """
        found = {}
        for name, weight in self.weights.items():
            active = [b for b, v in zip(weight.begins, weight.values) if v]
            if active and active[0] >= iteration:
                found[name] = active[0]
        return found


class Ramp:
    """A value that goes from one number to another over the first iterations.

    Args:
        start: value at iteration 0.
        end: value from ``iters`` on.
        iters: length of the way.
        shape: ``'linear'`` with both ends within the way,
            ``start + (end - start) i / (iters - 1)`` (teacher temperature of DINO and
            FSR); ``'cosine'``, ``end - (end - start) (1 + cos(pi i / iters)) / 2``
            (momentum of their teachers).

    Raises:
        ValueError: if ``iters`` isn't positive or ``shape`` is unknown.

    Example:
        >>> temperature = Ramp(0.04, 0.07, iters=4)
        >>> temperature(0), round(temperature(1), 6), temperature(4)
        (0.04, 0.05, 0.07)
    """

    def __init__(
        self, start: float, end: float, iters: int, shape: str = 'linear'
    ) -> None:
        if iters < 1:
            raise ValueError(f'a ramp needs iters >= 1, got {iters}')
        if shape not in ('linear', 'cosine'):
            raise ValueError(f"shape must be 'linear' or 'cosine', got {shape!r}")
        self.start, self.end, self.iters, self.shape = start, end, iters, shape

    def __call__(self, iteration: int) -> float:
        """The value at a zero-based iteration."""
        way = self.end - self.start
        if iteration >= self.iters:
            return self.end
        if self.shape == 'cosine':
            return self.end - way * (1 + math.cos(math.pi * iteration / self.iters)) / 2
        return self.start + way * iteration / max(self.iters - 1, 1)
