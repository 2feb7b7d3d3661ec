# Licensed under Apache-2.0.
"""A method's train pipeline for other pictures. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def fit_pipeline(
    steps: Sequence[Mapping[str, Any]],
    crop: int,
    usual: int,
    long_side: int | None,
    bands: int = 3,
) -> list[dict[str, Any]]:
    """A train pipeline for another crop, after a resize, for pictures of bands.

    Args:
        steps: transforms of the method's config.
        crop: side of the crops.
        usual: the one that the config has.
        long_side: that pictures are resized to first, or ``None``.
        bands: of the pictures. Those that aren't 3 have no saturation and no hue.

    Returns:
        The transforms; the resize follows what is loaded.
    """
    found = [_fit_step(step, crop, usual, bands) for step in steps]
    found = [step for step in found if step]
    if long_side is not None:
        loads = [i for i, step in enumerate(found) if step['type'].startswith('Load')]
        resize = dict(type='PILResizeLongSide', side_range=(long_side, long_side))
        found.insert(loads[-1] + 1 if loads else 0, resize)
    return found


#: transforms that only change colours
_COLOURS = ('PILRandomGrey', 'HSVShift')
_VIEWS = ('view1', 'view2', 'local')


def _fit_step(value: Any, crop: int, usual: int, bands: int) -> Any:
    """A transform, or anything within one; ``{}`` for one that falls away."""
    if isinstance(value, (list, tuple)):
        items = [_fit_step(item, crop, usual, bands) for item in value]
        return type(value)(item for item in items if item != {})
    if not isinstance(value, Mapping):
        return value
    step = {key: _fit_step(item, crop, usual, bands) for key, item in value.items()}
    for key in ('crop_size', 'size'):
        if step.get(key) == usual:
            step[key] = crop
    return step if bands == 3 else _without_colours(step)


def _without_colours(step: dict[str, Any]) -> dict[str, Any]:
    kind = step.get('type')
    if kind in _COLOURS:
        return {}
    if kind == 'PILColorJitter':
        return {k: v for k, v in step.items() if k not in ('saturation', 'hue')}
    if kind == 'ToCoViews':
        plain = dict(jitter=(0.4, 0.4, 0, 0), grey_prob=0)
        return {**step, **{view: {**step.get(view, {}), **plain} for view in _VIEWS}}
    return step


def crop_of(steps: Sequence[Mapping[str, Any]]) -> int | None:
    """The side of the crops of a train pipeline; ``None``: no step names one."""
    for value in steps:
        for key, item in value.items():
            if key in ('crop_size', 'size') and isinstance(item, int):
                return item
            inner = list(item.values()) if isinstance(item, Mapping) else item
            if isinstance(inner, (list, tuple)):
                parts = [one for part in inner for one in _listed(part)]
                found = crop_of([part for part in parts if isinstance(part, Mapping)])
                if found is not None:
                    return found
    return None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
