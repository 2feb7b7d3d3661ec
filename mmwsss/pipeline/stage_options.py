# Licensed under Apache-2.0.
"""Settings of the command line: ``STAGE.KEY=VALUE`` and ``all.KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from .stages import ALL, PipelineError, Stage, check_choices, check_needs

_ABSENT = object()
_ALIKE = 0.85  # two keys are taken for one, misspelt


def with_options(
    stages: Sequence[Stage], seed: int | None, options: Mapping[str, Any]
) -> tuple[Stage, ...]:
    """The stages with ``--seed`` and ``--cfg-options`` of the command line.

    Args:
        stages: as read.
        seed: ``randomness.seed`` of every config, ``None``: theirs.
        options: ``NAME.KEY``: value. NAME is a stage, or ``all``. KEY is a setting of
            the stage itself (``masks.refine``), else a place in its config. ``all``
            passes over a config without what KEY is a setting of: a training that is
            never validated has no ``val_dataloader``.

    Raises:
        PipelineError: if a name is none of a stage, or no stage takes an option.
    """
    names = [stage.name for stage in stages]
    for key in options:
        if key.partition('.')[0] not in (*names, ALL) or not key.partition('.')[2]:
            raise PipelineError(
                f'--cfg-options {key}: begin with the stage that it is for, one of '
                f'{[*names, ALL]}, as in {names[0]}.train_cfg.max_iters=100'
            )
    changed = tuple(_with_options(stage, seed, options) for stage in stages)
    for key in options:
        head, _, rest = key.partition('.')
        if head == ALL and not any(
            rest in (*stage.overrides, *stage.kind.keys) for stage in changed
        ):
            place = rest.rpartition('.')[0]
            raise PipelineError(
                f'--cfg-options {key}: no config of the pipeline has {place!r}'
            )
    check_needs(changed)
    return changed


def _with_options(stage: Stage, seed: int | None, options: Mapping[str, Any]) -> Stage:
    overrides = {} if seed is None else {'randomness.seed': seed}
    values = dict(stage.values)
    shared = any(key.startswith(f'{ALL}.') for key in options)
    cfg = _config(stage) if shared and stage.config is not None else {}  # read once
    for name in (ALL, stage.name):  # what is for one stage wins
        for key, value in options.items():
            head, _, rest = key.partition('.')
            if head == name and rest in stage.kind.keys:
                if rest in stage.kind.choices:
                    check_choices(
                        f'stage {stage.name!r}', rest, value, stage.kind.choices[rest]
                    )
                values[rest] = value
            elif head == name and stage.config is not None:
                if name != ALL or has_place(cfg, rest):
                    overrides[rest] = value
            elif head == name != ALL:
                raise PipelineError(
                    f'--cfg-options {key}: stage {stage.name!r} has no config; its own '
                    f'settings are {sorted(stage.kind.keys)}'
                )
    return replace(stage, values=values, overrides=overrides)


def added_settings(stage: Stage) -> list[str]:
    """Options that set what the stage's config file doesn't have.

    They may be meant (``default_hooks.checkpoint.save_best``), or misspelt.

    Raises:
        PipelineError: if one is almost what the config has in that place.
    """
    if stage.config is None:
        return []
    own = _config(replace(stage, cfg_options={}, overrides={}))
    keys = dict.fromkeys(
        (*_dotted_keys(stage.cfg_options), *_dotted_keys(stage.overrides))
    )
    added = [key for key in keys if not has_place(own, f'{key}.')]
    for key in added:
        place, _, last = key.rpartition('.')
        beside = _setting_at(own, place.split('.') if place else ())
        known = list(beside) if isinstance(beside, Mapping) else []
        known += [] if place else sorted(stage.kind.keys)
        meant = get_close_matches(last, known, n=1, cutoff=_ALIKE)
        if meant:
            raise PipelineError(
                f'stage {stage.name!r} has no setting {key}: did you '
                f'mean {place}{"." if place else ""}{meant[0]}?'
            )
    return added


def has_place(cfg: Any, key: str) -> bool:
    """Whether a config has what the last part of a key with dots is a setting of."""
    *parents, last = key.split('.')
    found = _setting_at(cfg, parents)
    return found is not _ABSENT and (
        isinstance(found, (Mapping, list, tuple)) or not last
    )


def _setting_at(cfg: Any, parts: Sequence[str]) -> Any:
    """What a config has at a place, or ``_ABSENT``."""
    for part in parts:
        if isinstance(cfg, (list, tuple)) and part.isdigit() and int(part) < len(cfg):
            cfg = cfg[int(part)]
        elif isinstance(cfg, Mapping) and part in cfg:
            cfg = cfg[part]
        else:
            return _ABSENT
    return cfg


def _config(stage: Stage) -> Mapping[str, Any]:
    return stage.read_config().to_dict()


def _dotted_keys(options: Mapping[str, Any], where: str = '') -> Iterator[str]:
    """Keys with dots of nested options."""
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted_keys(value, f'{where}{key}.')
        else:
            yield f'{where}{key}'
