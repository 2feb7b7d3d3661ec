# Licensed under Apache-2.0.
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

Steps = Sequence[tuple[int, Any]]


class StepSchedule:
    """A value that changes at given iterations.

    Args:
        steps: a constant, or ``[(begin, value), …]`` with ascending zero-based
            iterations from 0 on: the value holds from its ``begin`` up to the next.

    Raises:
        ValueError: if the steps don't start at 0 or don't ascend.

    Example:
        >>> weight = StepSchedule([(0, 0.0), (2001, 0.1)])
        >>> weight(2000), weight(2001)
        (0.0, 0.1)
    """

    def __init__(self, steps: Any) -> None:
        if not isinstance(steps, (list, tuple)):
            steps = [(0, steps)]
        self.begins = [begin for begin, _ in steps]
        self.values = [value for _, value in steps]
        if not steps or self.begins[0] != 0 or sorted(set(self.begins)) != self.begins:
            raise ValueError(
                'a schedule is [(0, value), (begin, value), …] with ascending '
                f'iterations, got {steps}')

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
