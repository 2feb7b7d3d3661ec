# Licensed under Apache-2.0.
"""What is to be done for a stage, and why."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .hashes import config_files, list_files, path_hash
from .manifest import differences, plain, settings_hash
from .place import Place
from .stage_checks import LOADERS_READ, PATHS
from .stages import PipelineError, Stage, fill, find_needs

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
            ``'wait'`` (a stage before it has to run first), ``'keep'`` (not selected).
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


def stage_settings(stage: Stage, paths: Mapping[str, str]) -> dict[str, Any]:
    """All that the result of a stage depends on.

    What comes from earlier stages counts by its content, not by its path, so that a
    whole pipeline can be moved.
    """
    cfg = stage.read_config()
    config = None if cfg is None else plain(cfg.to_dict())
    inputs = {
        need: path_hash(paths[need])
        for need in (f'{name}.{what}' for name, what in stage.needs)
    }
    lists = list_files(
        config or {}, LOADERS_READ.get(stage.type, ()), stage.values.get('split')
    )
    return dict(
        type=stage.type,
        tool=stage.kind.tool,
        values=plain(stage.values),
        args=list(stage.args),
        config=config,
        files=config_files(config or {}) | lists,
        inputs=inputs | {path: content_hash(path) for path in literal_paths(stage)},
    )


def literal_paths(stage: Stage) -> list[str]:
    """Files and folders that a stage names itself, as far as they are there.

    A word without a folder is a path only where nothing else can stand.
    """
    named = [
        item
        for key, value in stage.values.items()
        for item in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(item, str)
        and (os.path.dirname(item) or key in (*stage.kind.takes, *PATHS))
    ]
    return [path for path in (*named, *stage.inputs) if os.path.exists(path)]


def content_hash(path: str) -> str | None:
    """As :func:`path_hash`; a config counts with its bases."""
    if not path.endswith('.py'):
        return path_hash(path)
    cfg = Config.fromfile(path, import_custom_modules=False)
    return settings_hash(cfg.to_dict())


def decide(
    place: Place,
    paths: Mapping[str, str],
    waiting: Collection[str] = (),
    processes: int = 1,
) -> Decision:
    """Skip, begin or go on.

    Args:
        place: the stage's folder.
        paths: what the finished stages yield, by ``'stage.what'``.
        waiting: stages that have not run yet.
        processes: number that the stage would be run on.

    Raises:
        PipelineError: if a training that was begun can't go on as asked.
    """
    before = [name for name, _ in place.stage.needs if name in waiting]
    if before:
        return Decision('wait', f'{before[0]!r} has to run first')
    _check_yielded(place, paths)
    settings = stage_settings(place.stage, paths)
    fingerprint, begun, record = settings_hash(settings), place.begun(), place.record()
    facts = fingerprint, settings
    if begun is None:
        there = place.run.exists() and any(place.run.iterdir())
        return Decision(
            *(
                ('restart', 'its folder holds files of unknown origin')
                if there
                else ('run', 'not run yet')
            ),
            *facts,
        )
    changes = _changes(place, begun['settings'], settings)
    if changes:
        return Decision('restart', changes, *facts)
    if record is None:
        _check_processes(place, begun, processes)
        return Decision('resume', 'was begun and has not finished', *facts)
    altered = place.altered(record)
    if altered is not None:
        return Decision(
            'resume', f'its output {altered!r} is missing or changed', *facts
        )
    return Decision('skip', 'finished', *facts, record)


def _check_yielded(place: Place, paths: Mapping[str, str]) -> None:
    """A stage may have finished before anybody asked it for this output."""
    for name, what in place.stage.needs:
        if f'{name}.{what}' not in paths:
            raise PipelineError(
                f'stage {place.stage.name!r} needs {{{name}.{what}}}, but {name!r} has '
                f'finished without it: have it written, or delete the folder of '
                f'{name!r} in {place.folder.parent} to run it anew'
            )


def _changes(place: Place, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The first differences in words; empty if nothing that counts has changed."""
    neutral = place.stage.kind.neutral
    found = differences(_counting(old, neutral), _counting(plain(new), neutral))
    more = f' and {len(found) - _SHOWN} more' if len(found) > _SHOWN else ''
    return f'changed: {"; ".join(found[:_SHOWN])}{more}' if found else ''


def _counting(settings: Mapping[str, Any], neutral: Collection[str]) -> dict[str, Any]:
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


def _check_processes(place: Place, begun: Mapping[str, Any], processes: int) -> None:
    """A training goes on with as many processes: they make its batch."""
    kind, stage = place.stage.kind, place.stage
    if (
        kind.resume
        and begun['processes'] != processes
        and kind.yields['checkpoint'](place.run) is not None
    ):
        raise PipelineError(
            f'stage {stage.name!r} was begun on {begun["processes"]} processes and '
            f'would go on with another batch on {processes}: give --launcher pytorch '
            f'--gpus {begun["processes"]}, or delete {place.folder} to begin anew'
        )


def keep(place: Place, paths: Mapping[str, str]) -> Decision:
    """What is known of a stage that isn't selected."""
    record = place.record()
    if record is None:
        return Decision('keep', 'it has not finished')
    known = all(f'{name}.{what}' in paths for name, what in place.stage.needs)
    if known:
        settings = stage_settings(place.stage, paths)
        changes = _changes(place, place.begun()['settings'], settings)
        if changes:
            return Decision(
                'keep', f'taken as it is, ALTHOUGH it has {changes}', record=record
            )
    return Decision('keep', 'taken as it is', record=record)


def command(
    place: Place,
    paths: Mapping[str, str],
    processes: int = 1,
    root: Path = Path(),
    resume: bool = True,
) -> list[str]:
    """Arguments after ``python``; a training goes on from its last checkpoint."""
    stage, kind = place.stage, place.stage.kind
    values = fill(stage.values, paths)
    line = [str(root / kind.tool)]
    line += [
        str(place.config) if key == 'config' else str(values[key]) for key in kind.takes
    ]
    line += [kind.out, str(place.run / kind.out_file)]
    for key in kind.flags:
        config = place.config if key == 'config' and stage.config else None
        line += _flag(key, values.get(key, config), key in kind.joined)
    resumed = resume and kind.resume
    checkpoint = kind.yields['checkpoint'](place.run) if resumed else None
    line += [kind.resume, str(checkpoint)] if checkpoint else []
    line += fill(stage.args, paths)
    if processes == 1 or not kind.distributed:
        return line
    return [*_torchrun(processes), *line, '--launcher', 'pytorch']


def as_typed(words: Sequence[str]) -> str:
    """A command as one would type it; ``{stage.what}`` that is to come, as it is."""
    return ' '.join(
        word if any(find_needs(word)) else shlex.quote(word) for word in words
    )


def _flag(key: str, value: Any, joined: bool) -> list[str]:
    option = f'--{key.replace("_", "-")}'
    if value is None or value is False:
        return []
    if value is True:
        return [option]
    values = value if isinstance(value, (list, tuple)) else [value]
    words = [str(item) for item in values]
    return [option, ','.join(words)] if joined else [option, *words]


def _torchrun(processes: int) -> list[str]:
    """As ``tools/dist_train.sh``, on a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    return [
        '-m',
        'torch.distributed.run',
        '--nnodes=1',
        '--master_addr=127.0.0.1',
        f'--master_port={port}',
        f'--nproc_per_node={processes}',
    ]
