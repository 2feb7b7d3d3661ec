# Licensed under Apache-2.0.
"""What the benchmarks of this repository found, for the model zoo.

An entry of a metafile says where its figures are: ``Benchmark: {File, Row}``, the file
of results and the row in it (``Stages`` in addition, for a pipeline: metric → stage).
As long as nothing is there, nothing is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmwsss.io.errors import UserError

#: scores that the zoo shows
SCORES = ('cls_mAP', 'cam_mIoU', 'aux_cam_mIoU', 'pseudo_mIoU', 'pseudo_labelled',
          'seg_mIoU')  # fmt: skip
#: further tests of a run → what its segmentation's score is called
MORE_TESTS = {'tta': 'seg_mIoU_tta', 'crf': 'seg_mIoU_crf'}


def measured(root: Path, benchmark: Mapping[str, Any]) -> dict[str, Any] | None:
    """The figures of a row: means over its seeds, and their spread.

    Args:
        root: the clone.
        benchmark: ``File`` and ``Row`` (names of nested rows joined by ``/``).

    Returns:
        ``Seeds``; ``Metrics``, percent, 1 decimal; ``Deviation``, the sample standard
        deviation, where there are several seeds; ``Splits`` of a pipeline's metrics;
        ``Training Minutes`` and ``Peak Memory``, where they were taken. ``None``: not
        measured yet.

    Raises:
        UserError: if the file is no results file.
    """
    runs = _runs(root / benchmark['File'], benchmark['Row'])
    stages = benchmark.get('Stages')
    scores = [_of_stages(run, stages) if stages else _of_run(run) for run in runs]
    names = [name for name in _order(scores) if all(name in one for one in scores)]
    if not runs or not names:
        return None
    found: dict[str, Any] = dict(Seeds=len(runs))
    found['Metrics'] = {n: round(mean(s[n] for s in scores), 1) for n in names}
    if len(runs) > 1:
        found['Deviation'] = {n: round(stdev(s[n] for s in scores), 1) for n in names}
    if stages:
        on = {row['stage']: row['scored_on'] for row in runs[0]}
        found['Splits'] = {n: on[stages[n]] for n in names if n in stages}
    return found | _cost(runs)


def _runs(path: Path, row: str) -> list[Any]:
    """What a file holds of a row, by seed; nothing where it isn't there yet."""
    if not path.is_file():
        return []
    try:
        found: Any = json.loads(path.read_text(encoding='utf-8'))
        for name in row.split('/'):
            found = found.get(name, {})
        return [run for _, run in sorted(found.items())]
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f'{path} is no results file of a benchmark with the row {row} ({error}): '
            'correct Benchmark in the metafile'
        ) from None


def _of_run(run: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a trained network."""
    scores = {n: v for n, v in run['metrics'].items() if n in SCORES and v is not None}
    for test, name in MORE_TESTS.items():
        if 'seg_mIoU' in run.get(test, {}):
            scores[name] = run[test]['seg_mIoU']
    return scores


def _of_stages(
    rows: Sequence[Mapping[str, Any]], stages: Mapping[str, str]
) -> dict[str, float]:
    """The scores of a pipeline: from the stage that is named for each."""
    of = {row['stage']: row['metrics'] for row in rows}
    found = {
        name: of[stage][name]
        for name, stage in stages.items()
        if name in of.get(stage, {})
    }
    share = of.get(stages.get('mask_mIoU', ''), {}).get('mask_labelled')
    return found if share is None else found | dict(mask_labelled=share)


def _order(scores: Sequence[Mapping[str, float]]) -> list[str]:
    known = [*SCORES, *MORE_TESTS.values()]
    more = [name for one in scores[:1] for name in one if name not in known]
    return [*known, *more]


def _cost(runs: Sequence[Any]) -> dict[str, Any]:
    """Time and memory of a training, mean and maximum over the seeds."""
    if isinstance(runs[0], Mapping):
        costs = [run.get('train_cost', run) or {} for run in runs]
        seconds = [cost['seconds'] for cost in costs if 'seconds' in cost]
        memory = [cost['peak_mib'] for cost in costs if 'peak_mib' in cost]
    else:
        seconds = [sum(row['hours'] * 3600 for row in rows) for rows in runs]
        memory = []
    found: dict[str, Any] = {}
    if seconds:
        found['Training Minutes'] = round(mean(seconds) / 60)
    if memory:
        found['Peak Memory'] = f'{max(memory) / 1024:.1f} GiB'
    return found
