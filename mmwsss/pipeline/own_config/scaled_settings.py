# Licensed under Apache-2.0.
"""Settings for another crop and another length of a run. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def scale_schedules(value: Any, factor: float) -> Any:
    """Settings whose iterations are moved: where steps begin, ramps and warm-ups end.

    Args:
        value: settings, of any depth: ``[(0, a), (begin, b), ...]``, ``dict(start,
            end, iters)``, ``warmup_iters``.
        factor: new length by old length.

    Returns:
        The same settings; an iteration other than 0 stays above 0.
    """
    if isinstance(value, Mapping):
        return {
            key: _moved(item, factor)
            if key in ('iters', 'warmup_iters') and isinstance(item, int)
            else scale_schedules(item, factor)
            for key, item in value.items()
        }
    if _is_steps(value):
        steps = [(_moved(begin, factor), part) for begin, part in value]
        # of several that fall on one iteration the last one counts
        return list(dict(steps).items())
    if isinstance(value, list):
        return [scale_schedules(item, factor) for item in value]
    return value


def _moved(iteration: int, factor: float) -> int:
    return max(round(iteration * factor), 1) if iteration else 0


def _is_steps(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(step, (list, tuple)) and len(step) == 2 for step in value)
        and value[0][0] == 0
        and all(isinstance(step[0], int) for step in value)
    )


#: setting of a model in pixels or tokens → the smallest value, and what it is a
#: multiple of
LENGTHS: dict[tuple[str, ...], tuple[int, int]] = {
    ('labeler', 'refiner', 'dilations'): (1, 1),
    ('decode_head', 'dilation'): (1, 1),
    ('decode_head', 'dilations'): (1, 1),
    ('train_cfg', 'local_crops', 'crop_size'): (32, 16),
    ('train_cfg', 'mask', 'block_size'): (32, 32),
    ('affinity_radius',): (1, 1),
    ('losses', 'reg', 'sigma_xy'): (1, 1),
}


def scale_lengths(model: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A model's settings for another crop: lengths of ``LENGTHS`` in proportion.

    Args:
        model: its config.
        factor: new crop by old crop.
    """
    scaled = _copy(model)
    weights = model.get('train_cfg', {}).get('weights', {})
    for path, (least, step) in LENGTHS.items():
        if path[0] == 'losses' and path[1] not in weights:
            continue  # a loss that isn't taken
        place = scaled
        for key in path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        old = place.get(path[-1]) if isinstance(place, dict) else None
        if isinstance(old, (int, float)):
            place[path[-1]] = _scaled(old, factor, least, step)
        elif isinstance(old, (list, tuple)):
            found = {_scaled(item, factor, least, step) for item in old}
            place[path[-1]] = tuple(sorted(found))
    return scaled


def _scaled(value: float, factor: float, least: int, step: int) -> int:
    return max(step * round(value * factor / step), least)


def _copy(value: Any) -> Any:
    return (
        {k: _copy(v) for k, v in value.items()} if isinstance(value, Mapping) else value
    )


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What a config on top of ``old`` has to say to be ``new``; lists are whole."""
    found: dict[str, Any] = {}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = changed(before, value)
            if inner:
                found[key] = inner
        elif key not in old or not _equal(before, value):
            found[key] = value
    return found


def _equal(one: Any, other: Any) -> bool:
    """Whether two settings are equal, lists and tuples being the same."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other
