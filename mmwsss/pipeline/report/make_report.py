# Licensed under Apache-2.0.
"""From one or two work dirs to a page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmwsss.io.errors import UserError
from mmwsss.version import __version__

from .looked_at import look_at
from .pipeline_folder import StageFacts, is_pipeline, read_stages_of
from .report_block import ReportBlock, build_block
from .report_charts import Chart, threshold_chart
from .run_folder import RunFolder, is_run, read_run
from .score_tables import number


@dataclass(frozen=True)
class ReportSettings:
    """What a report does.

    Attributes:
        pictures: of the test set that the network is run on, at most; 0: none.
        shown: of each group of pictures.
        device: of the network.
        checkpoint: of the (first) run; ``None``: the last one.
    """

    pictures: int = 200
    shown: int = 4
    device: str = 'cpu'
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        if self.pictures < 0 or self.shown < 1:
            raise UserError(
                f'--pictures {self.pictures} must be 0 or more, and --shown '
                f'{self.shown} 1 or more'
            )
        if self.checkpoint is not None and not self.checkpoint.is_file():
            raise UserError(f'there is no checkpoint {self.checkpoint}')


@dataclass(frozen=True)
class Report:
    """What a page shows.

    Attributes:
        title: of the page.
        made: when and by what.
        blocks: a run each, or a run of a pipeline's stage.
        stages: rows of a pipeline: run, stage, type, state, split, scores, minutes.
        sweeps: curves over thresholds that stages have left.
    """

    title: str
    made: str
    blocks: Sequence[ReportBlock]
    stages: Sequence[Sequence[str]] = ()
    sweeps: Sequence[Chart] = ()


def gather_report(folders: Sequence[Path], settings: ReportSettings) -> Report:
    """Read work dirs, look at pictures, and gather what a page shows.

    Args:
        folders: one or two, all of runs or all of pipelines.
        settings: what is done.

    Raises:
        UserError: if a folder holds nothing, or the two are of two kinds.
    """
    for folder in folders:
        check_folder(folder)
    kinds = {is_pipeline(folder) for folder in folders}
    if len(kinds) > 1:
        raise UserError(
            f'{folders[0]} and {folders[1]}: one is of a pipeline, the other of a '
            'single run; give two of one kind (a stage of a pipeline is the run in '
            'WORK_DIR/NN_name/run)'
        )
    if kinds == {True} and settings.checkpoint is not None:
        raise UserError(
            f'--checkpoint {settings.checkpoint}: {folders[0]} is of a pipeline, whose '
            'stages have checkpoints of their own; leave it out'
        )
    names = short_names(folders)
    title, made = ' and '.join(names), _made()
    if kinds == {False}:
        runs = [
            read_run(folder, name, settings.checkpoint if not number else None)
            for number, (folder, name) in enumerate(zip(folders, names, strict=True))
        ]
        return Report(title, made, [_block('', runs, settings)])
    stages = dict(zip(names, map(read_stages_of, folders), strict=True))
    rows = [_row(name, stage) for name, all_ in stages.items() for stage in all_]
    trained = {name: _trainings(name, all_) for name, all_ in stages.items()}
    blocks = [
        _block(stage, [of[stage] for of in trained.values() if stage in of], settings)
        for stage in dict.fromkeys(stage for of in trained.values() for stage in of)
    ]
    sweeps = [
        chart
        for name, all_ in stages.items()
        for stage in all_
        for chart in _sweeps(name if len(stages) > 1 else '', stage)
    ]
    return Report(title, made, blocks, rows, sweeps)


def check_folder(folder: Path) -> None:
    """Refuse what is no work dir.

    Raises:
        UserError: naming it, and what is looked for.
    """
    if not folder.is_dir():
        raise UserError(f'there is no folder {folder}: give the work dir of a run')
    if not is_pipeline(folder) and not is_run(folder):
        raise UserError(
            f'{folder} holds no run: no logs (*/vis_data), no checkpoint and no '
            'metrics.json. Give the work dir of tools/train.py, tools/test.py or '
            'tools/run_pipeline.py'
        )


def short_names(folders: Sequence[Path]) -> list[str]:
    """The ends of the paths that tell them apart."""
    paths = [Path(os.path.abspath(folder)).parts for folder in folders]
    for length in range(1, max(map(len, paths)) + 1):
        names = ['/'.join(parts[-length:]) for parts in paths]
        if len(set(names)) == len(names):
            return names
    raise UserError(f'{folders[0]} is given twice: name two runs')


def _made() -> str:
    return f'{time.strftime("%Y-%m-%d %H:%M")} by mmwsss {__version__}'


def _block(
    title: str, runs: Sequence[RunFolder], settings: ReportSettings
) -> ReportBlock:
    looked = [look_at(run, settings.pictures, settings.device) for run in runs]
    return build_block(title, looked, settings.shown)


def _trainings(name: str, stages: Sequence[StageFacts]) -> dict[str, RunFolder]:
    """Stage → its run, of those that train and have begun to."""
    return {
        stage.name: read_run(stage.run, f'{name}/{stage.name}')
        for stage in stages
        if stage.kind == 'train' and is_run(stage.run)
    }


#: headings of a pipeline's table
STAGE_COLUMNS = (
    *('run', 'stage', 'type', 'state', 'scored on'),
    *('CAM', 'mask', 'segmenter', 'minutes'),
)
_SCORES = (('cam_mIoU',), ('mask_mIoU', 'pseudo_mIoU'), ('seg_mIoU',))


def _row(name: str, stage: StageFacts) -> tuple[str, ...]:
    scores = [
        number(next((stage.metrics[k] for k in keys if k in stage.metrics), None))
        for keys in _SCORES
    ]
    if stage.kind == 'evaluate' and not any(score != '–' for score in scores):
        what = 0 if 'threshold' in stage.metrics else 1
        scores[what] = number(stage.metrics.get('mIoU'))
    state = 'finished' if stage.finished else 'begun, not finished'
    minutes = f'{stage.minutes:.1f}' if stage.finished else '–'
    return name, stage.name, stage.kind, state, stage.scored_on, *scores, minutes


def _sweeps(run: str, stage: StageFacts) -> list[Chart]:
    """Curves of ``tools/eval_cam.py``."""
    found = []
    for scoring, rows in (stage.report.get('sweep') or {}).items():
        grid = [row['threshold'] for row in rows]
        scores = [
            row['mIoU'] if row['mIoU'] is not None else float('nan') for row in rows
        ]
        what = ' '.join(
            filter(None, (run, stage.name, scoring if scoring != 'raw' else ''))
        )
        found.append(threshold_chart(what, {what: (grid, scores, None)}))
    return [chart for chart in found if chart is not None]
