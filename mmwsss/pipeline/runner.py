# Licensed under Apache-2.0.
"""Run the stages of a pipeline, each once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.engine.hooks.atomic_checkpoint_hook import IMAGE_SCORES
from mmwsss.io.atomic_file import write_atomic
from mmwsss.version import __version__

from .lock import folder_lock
from .plan import Decision, decide, take_as_it_is
from .stage_checks import (
    check_data,
    check_files,
    check_generated,
    check_schedules,
    check_values,
)
from .stage_command import as_typed, command
from .stage_folder import StageFolder, find_stage_folder
from .stage_options import added_settings
from .stage_process import (
    Echo,
    ToolError,
    end_leftovers,
    progress,
    run_command,
    signals_interrupt,
)
from .stages import PipelineError, Stage
from .summary import summarise

_WORDS = dict(
    skip='skipped',
    run='runs',
    resume='goes on',
    restart='runs anew',
    wait='runs',
    leave='left out',
)
_BEGIN = ('run', 'restart', 'wait')


@dataclass(frozen=True)
class PipelineRun:
    """One call of a pipeline.

    Attributes:
        stages: all of them.
        work_dir: folder of everything that is written.
        root: folder that holds ``tools``.
        selected: names of the stages that may run; the others are taken as they are.
        processes: of each stage that can be distributed.
        show: gets every line that the user should see.
    """

    stages: tuple[Stage, ...]
    work_dir: Path
    root: Path
    selected: tuple[str, ...]
    processes: int = 1
    show: Echo = print_log

    def folder_of(self, stage: Stage) -> StageFolder:
        """The stage's folder."""
        return find_stage_folder(self.work_dir, stage)

    def processes_of(self, stage: Stage) -> int:
        """How many processes the stage runs on."""
        return self.processes if stage.kind.distributed else 1


def select(
    stages: Sequence[Stage],
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
) -> tuple[str, ...]:
    """Names of the stages from ``first`` to ``last``, or of ``only`` one.

    Raises:
        PipelineError: if a name is unknown or the order is wrong.
    """
    names = [stage.name for stage in stages]
    for option, name in (('--from', first), ('--to', last), ('--only', only)):
        if name is not None and name not in names:
            raise PipelineError(f'{option} {name}: the stages are {names}')
    if only is not None:
        if first or last:
            raise PipelineError('--only names one stage: leave out --from and --to')
        return (only,)
    begin = 0 if first is None else names.index(first)
    end = len(names) if last is None else names.index(last) + 1
    if begin >= end:
        raise PipelineError(f'--from {first} comes after --to {last}')
    return tuple(names[begin:end])


def dry_run(run: PipelineRun, commands: bool = True) -> list[Decision]:
    """Say what a run would do, without doing it.

    Args:
        run: what was asked for.
        commands: show them too.

    Raises:
        PipelineError: for what is missing or can't work.
    """
    paths: dict[str, str] = {}
    waiting: set[str] = set()
    decisions = []
    check_values(run.stages)
    _check_given(run)
    for stage in run.stages:
        folder, decision = run.folder_of(stage), _decide(run, stage, paths, waiting)
        decisions.append(decision)
        if decision.record is not None:
            paths |= folder.paths(decision.record)
        else:
            waiting.add(stage.name)
        run.show(
            f'{stage.number}. {stage.name} ({stage.type}): '
            f'{_WORDS[decision.action]}: {decision.reason}'
        )
        if commands and decision.action not in ('skip', 'leave'):
            line = command(
                folder,
                paths,
                run.processes_of(stage),
                run.root,
                resume=decision.action == 'resume',
            )
            run.show(f'   python {as_typed(line)}')
    _show_added(run, decisions)
    _check_files(run, decisions)
    return decisions


def _show_added(run: PipelineRun, decisions: Sequence[Decision]) -> None:
    """Settings that the configs don't have: meant so, or misspelt."""
    added: dict[str, list[str]] = {}
    for stage, decision in zip(run.stages, decisions):
        for key in added_settings(stage) if decision.action in _BEGIN else ():
            added.setdefault(key, []).append(stage.name)
    for key, names in added.items():
        run.show(f'new in the config of {", ".join(names)}: {key}')


def run_pipeline(run: PipelineRun) -> str:
    """Run what has to be run.

    Returns:
        The table of what has finished, as Markdown; it lies in ``summary.md`` too.

    Raises:
        PipelineError: for what is missing or can't work, before any stage starts.
        ToolError: if a stage fails.
        BusyError: if another run works in the same folder.
    """
    with signals_interrupt(), folder_lock(run.work_dir, '--work-dir'):
        _end_leftovers(run)
        dry_run(run, commands=False)
        paths: dict[str, str] = {}
        for stage in run.stages:
            decision = _decide(run, stage, paths)
            record = decision.record
            if stage.name in run.selected and record is None:
                record = _run_stage(run, stage, decision, paths)
                summarise(run.stages, run.work_dir)
            if record is not None:
                paths |= run.folder_of(stage).paths(record)
        return summarise(run.stages, run.work_dir)


def _end_leftovers(run: PipelineRun) -> None:
    for stage in run.stages:
        ended = end_leftovers(run.folder_of(stage).log)
        if ended:
            run.show(f'{stage.name}: ended {ended} processes that a killed run left')


def _decide(
    run: PipelineRun,
    stage: Stage,
    paths: Mapping[str, str],
    waiting: Collection[str] = (),
) -> Decision:
    folder = run.folder_of(stage)
    if stage.name in run.selected:
        return decide(folder, paths, waiting, run.processes_of(stage))
    return take_as_it_is(folder, paths)


def _check_given(run: PipelineRun) -> None:
    """What the selected stages need of the others must be there."""
    for stage in run.stages:
        for name, what in stage.needs if stage.name in run.selected else ():
            giver = next(s for s in run.stages if s.name == name)
            folder = run.folder_of(giver)
            record = folder.record()
            if name not in run.selected and not _is_there(folder, record, what):
                raise PipelineError(
                    f'stage {stage.name!r} needs {{{name}.{what}}}, but {name!r} has '
                    f'not finished in {run.work_dir}, or it is gone, and is left '
                    f'out by --from, --to or --only: begin with --from {name}'
                )


def _is_there(folder: StageFolder, record: Mapping[str, Any] | None, what: str) -> bool:
    if record is None:
        return False
    path = folder.paths(record).get(f'{folder.stage.name}.{what}')
    return path is not None and Path(path).exists()


def _check_files(run: PipelineRun, decisions: Sequence[Decision]) -> None:
    begun = [
        stage
        for stage, decision in zip(run.stages, decisions)
        if decision.action in _BEGIN
    ]
    check_schedules(begun)
    check_files(begun)
    check_data(begun)
    check_generated(begun)


def _run_stage(
    run: PipelineRun, stage: Stage, decision: Decision, paths: Mapping[str, str]
) -> dict:
    """Run one stage to its end and record it."""
    folder, processes = run.folder_of(stage), run.processes_of(stage)
    if decision.action == 'restart':
        run.show(
            f'{stage.name}: {decision.reason}; the old output is put aside: '
            f'{folder.put_aside()}'
        )
    _show_chosen_checkpoints(run, stage, paths)
    folder.begin(decision.fingerprint, decision.settings, processes)
    if stage.config is not None:
        text = stage.read_config(paths).pretty_text
        write_atomic(text.encode(), folder.config)
    line = command(folder, paths, processes, run.root)
    run.show(
        f'{stage.name}: {_WORDS[decision.action]} ({decision.reason}), '
        f'output in {folder.log}'
    )
    run_command(line, folder.log, progress(run.show, stage.name), run.root)
    _check_left(run, folder)
    record = folder.finish(dict(command=line, version=__version__))
    run.show(f'{stage.name}: finished, {record["seconds"] / 60:.1f} minutes')
    return record


def _check_left(run: PipelineRun, folder: StageFolder) -> None:
    """What later stages need must be there."""
    there = folder.yields()
    for stage in run.stages:
        for name, what in stage.needs:
            if name == folder.stage.name and what not in there:
                raise ToolError(
                    f'stage {name!r} has ended but left no {what!r} in {folder.run}, '
                    f'which {stage.name!r} needs; see {folder.log}'
                )


def _show_chosen_checkpoints(
    run: PipelineRun, stage: Stage, paths: Mapping[str, str]
) -> None:
    """Which checkpoints were chosen, and what the choice has read."""
    for name, what in stage.needs:
        if what == 'best_checkpoint':
            score = Path(paths[f'{name}.{what}']).stem.removeprefix('best_')
            read = 'image' if score.startswith(IMAGE_SCORES) else 'pixel'
            run.show(
                f'{stage.name}: the checkpoint of {name!r} is CHOSEN BY ITS SCORE '
                f'ON THE VALIDATION SET ({score}), which uses {read} labels'
            )
