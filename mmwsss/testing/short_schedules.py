# Licensed under Apache-2.0.
from __future__ import annotations

from typing import Any

#: first iteration at which something changes
FIRST = 2


def short_schedules(train_cfg: dict[str, Any], iterations: int = 6) -> dict[str, Any]:
    """``train_cfg`` for a run of a few iterations in which all of it happens.

    The iterations at which its schedules change, ``[(0, a), (begin, b), …]``, become
    2, 3, … in their order; ramps (``iters``) end with the run.

    Args:
        train_cfg: as it stands in a method's config.
        iterations: length of the run.

    Returns:
        The same settings with other iterations.

    Raises:
        ValueError: the run is too short for all changes.
    """
    begins = sorted(_begins(train_cfg) - {0})
    if FIRST + len(begins) > iterations:
        raise ValueError(
            f'{len(begins)} changes, at iterations {begins}, need a run of at least '
            f'{FIRST + len(begins)} iterations, got {iterations}'
        )
    moved = {0: 0} | {begin: FIRST + i for i, begin in enumerate(begins)}
    return _shortened(train_cfg, moved, iterations)


def _is_schedule(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(step, (list, tuple)) and len(step) == 2 for step in value)
        and value[0][0] == 0
    )


def _begins(value: Any) -> set[int]:
    if isinstance(value, dict):
        return set().union(*(_begins(part) for part in value.values()))
    return {begin for begin, _ in value} if _is_schedule(value) else set()


def _shortened(value: Any, moved: dict[int, int], iterations: int) -> Any:
    if isinstance(value, dict):
        short = {k: _shortened(v, moved, iterations) for k, v in value.items()}
        if {'start', 'end', 'iters'} <= set(short):
            short['iters'] = min(short['iters'], iterations)
        return short
    if _is_schedule(value):
        return [(moved[begin], part) for begin, part in value]
    return value
