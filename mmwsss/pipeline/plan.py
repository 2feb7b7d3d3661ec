# Licensed under Apache-2.0.
"""What is to be done for a stage, and why: skip, begin, go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmwsss.io.settings_hash import settings_hash

from .fingerprint import changes_in_words
from .stage_folder import StageFolder
from .stage_inputs import stage_settings
from .stages import PipelineError

_SHOWN = 3
#: settings of a data loader that change no result: seeds belong to places in the data
_LOADING = ('num_workers', 'persistent_workers', 'prefetch_factor', 'pin_memory')
#: settings of a config, and of its default hooks, that only say what is shown
_SHOWING = ('log_level', 'log_processor', 'logger', 'vis_backends', 'visualizer')


@dataclass(frozen=True)
class Decision:
    """What becomes of a stage.

    Attributes:
        action: ``'skip'`` (finished with these settings), ``'run'`` (begin),
            ``'resume'`` (go on), ``'restart'`` (put the old output aside, begin),
            ``'wait'`` (a stage before it has to run first), ``'leave'`` (not selected).
        reason: in words.
        fingerprint: of settings and inputs.
        settings: of what the fingerprint is.
        record: of a finished stage.
    """

    action: str
    reason: str
    fingerprint: str = ''
    settings: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None


def decide(
    folder: StageFolder,
    paths: Mapping[str, str],
    waiting: Collection[str] = (),
    processes: int = 1,
) -> Decision:
    """Skip, begin or go on.

    Args:
        folder: the stage's folder.
        paths: what the finished stages yield, by ``'stage.what'``.
        waiting: stages that have not run yet.
        processes: number that the stage would be run on.

    Raises:
        PipelineError: if a training that was begun can't go on as asked.
    """
    before = [name for name, _ in folder.stage.needs if name in waiting]
    if before:
        return Decision('wait', f'{before[0]!r} has to run first')
    _check_yielded(folder, paths)
    settings = stage_settings(folder.stage, paths)
    fingerprint, begun, record = (
        settings_hash(settings),
        folder.begun(),
        folder.record(),
    )
    facts = fingerprint, settings
    if begun is None:
        there = folder.run.exists() and any(folder.run.iterdir())
        return Decision(
            *(
                ('restart', 'its folder holds files of unknown origin')
                if there
                else ('run', 'not run yet')
            ),
            *facts,
        )
    changes = _changes(folder, begun['settings'], settings)
    if changes:
        return Decision('restart', changes, *facts)
    if record is None:
        _check_processes(folder, begun, processes)
        return Decision('resume', 'was begun and has not finished', *facts)
    altered = folder.altered(record)
    if altered is not None:
        return Decision(
            'resume', f'its output {altered!r} is missing or changed', *facts
        )
    return Decision('skip', 'finished', *facts, record)


def _check_yielded(folder: StageFolder, paths: Mapping[str, str]) -> None:
    """A stage may have finished before anybody asked it for this output."""
    for name, what in folder.stage.needs:
        if f'{name}.{what}' not in paths:
            raise PipelineError(
                f'stage {folder.stage.name!r} needs {{{name}.{what}}}, but {name!r} '
                f'has finished without it: have it written, or delete the folder of '
                f'{name!r} in {folder.path.parent} to run it anew'
            )


def _changes(
    folder: StageFolder, old: Mapping[str, Any], new: Mapping[str, Any]
) -> str:
    """The first differences in words; empty if nothing that counts has changed."""
    neutral = folder.stage.kind.neutral
    words = changes_in_words(
        _settings_that_count(old, neutral), _settings_that_count(new, neutral), _SHOWN
    )
    return words and f'changed: {words}'


def _settings_that_count(
    settings: Mapping[str, Any], neutral: Collection[str]
) -> dict[str, Any]:
    """The settings without what changes no result, as the number of workers."""
    config = _without(settings['config'] or {}, _SHOWING)
    for key, value in config.items():
        if key.endswith('_dataloader') and isinstance(value, Mapping):
            config[key] = _without(value, _LOADING)
    config['default_hooks'] = _without(config.get('default_hooks') or {}, _SHOWING)
    values = _without(settings['values'] or {}, neutral)
    return {**settings, 'values': values, 'config': config}


def _without(settings: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in keys}


def _check_processes(
    folder: StageFolder, begun: Mapping[str, Any], processes: int
) -> None:
    """A training goes on with as many processes: they make its batch."""
    kind, stage = folder.stage.kind, folder.stage
    if (
        kind.resume
        and begun['processes'] != processes
        and kind.yields['checkpoint'](folder.run) is not None
    ):
        raise PipelineError(
            f'stage {stage.name!r} was begun on {begun["processes"]} processes and '
            f'would go on with another batch on {processes}: give --launcher pytorch '
            f'--gpus {begun["processes"]}, or delete {folder.path} to begin anew'
        )


def take_as_it_is(folder: StageFolder, paths: Mapping[str, str]) -> Decision:
    """What is known of a stage that isn't selected."""
    record = folder.record()
    if record is None:
        return Decision('leave', 'it has not finished')
    known = all(f'{name}.{what}' in paths for name, what in folder.stage.needs)
    if known:
        settings = stage_settings(folder.stage, paths)
        begun = folder.begun()
        changes = (
            'no begun.json, which tells its settings'
            if begun is None
            else _changes(folder, begun['settings'], settings)
        )
        if changes:
            return Decision(
                'leave', f'taken as it is, ALTHOUGH it has {changes}', record=record
            )
    return Decision('leave', 'taken as it is', record=record)
