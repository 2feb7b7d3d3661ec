# Licensed under Apache-2.0.
"""The table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.io.atomic_file import write_atomic, write_json

from .stage_folder import find_stage_folder
from .stages import Stage

#: column: the scores that it shows, the first that is there
COLUMNS = {
    'CAM mIoU': ('cam_mIoU',),
    'pseudo-mask mIoU': ('mask_mIoU', 'pseudo_mIoU'),
    'segmenter mIoU': ('seg_mIoU', 'mIoU'),
}
#: scores of fewer pictures are marked: of 100 photos of Animals another choice moves
#: the mIoU of a CAM by 4 points, of 50 by 7, of 24 by 10 (half of a 95 % interval)
FEW = 100


def summarise(stages: Sequence[Stage], work_dir: Path) -> str:
    """Write ``summary.md`` and ``summary.json`` of what has finished.

    Returns:
        The table, as Markdown.
    """
    rows = []
    for stage in stages:
        record = find_stage_folder(work_dir, stage).record()
        if record is not None:
            rows.append(_row(stage, record, stages))
    table = _table(rows)
    write_json(rows, work_dir / 'summary.json')
    write_atomic((table + '\n').encode(), work_dir / 'summary.md')
    return table


def _row(
    stage: Stage, record: Mapping[str, Any], stages: Sequence[Stage]
) -> dict[str, Any]:
    metrics = _named(stage, record['metrics'])
    scores = {
        column: next((metrics[key] for key in keys if key in metrics), None)
        for column, keys in COLUMNS.items()
    }
    return dict(
        stage=stage.name,
        type=stage.type,
        scored_on=scored_on(stage, stages),
        scores=scores,
        hours=record['seconds'] / 3600,
        metrics=metrics,
        processes=record['processes'],
    )


def _named(stage: Stage, metrics: Mapping[str, float]) -> dict[str, float]:
    """What scores a folder of an earlier stage is named after what that holds."""
    what = stage.values.get('kind') or next((what for _, what in stage.needs), '')
    if 'maps' not in stage.kind.takes or what not in ('cam', 'mask'):
        return dict(metrics)
    return {
        key if key.startswith(f'{what}_') else f'{what}_{key}': value
        for key, value in metrics.items()
    }


def scored_on(stage: Stage, stages: Sequence[Stage]) -> str | None:
    """The split behind a stage's scores, where the settings name it."""
    if 'split' in stage.values:
        return stage.values['split']
    if 'maps' in stage.kind.takes:
        givers = [s for s in stages for name, _ in stage.needs if s.name == name]
        return next((g.values['split'] for g in givers if 'split' in g.values), None)
    loader = dict(train='val', test='test').get(stage.type)
    if loader is None:
        return None
    dataset = (stage.read_config().get(f'{loader}_dataloader') or {}).get('dataset', {})
    name = dataset.get('split') or dataset.get('ann_file')
    return Path(name).stem if name else None


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    heads = ['stage', 'scored on', *COLUMNS, 'hours']
    lines = ['| ' + ' | '.join(heads) + ' |', '|---|---|' + '---:|' * (len(heads) - 2)]
    for row in rows:
        scores = ['–' if v is None else f'{v:.2f}' for v in row['scores'].values()]
        lines.append(
            '| '
            + ' | '.join([row['stage'], _scored(row), *scores, f'{row["hours"]:.3f}'])
            + ' |'
        )
    hours = sum(row['hours'] for row in rows)
    lines.append('| all | |' + ' |' * len(COLUMNS) + f' {hours:.3f} |')
    if any(_few(row['metrics']) for row in rows):
        lines += [
            '',
            f'few: fewer than {FEW} pictures were scored. Another choice of them would '
            'move a mIoU by several points: compare nothing by these scores.',
        ]
    return '\n'.join(lines)


def _scored(row: Mapping[str, Any]) -> str:
    """Split, the threshold where it was chosen on the truth, and what the eroded labels
    score, as SemFormer and IRNet publish CAMs."""
    if all(value is None for value in row['scores'].values()):
        return '–'
    threshold = row['metrics'].get('cam_threshold')
    best = '' if threshold is None else f', best threshold {threshold:g}'
    eroded = row['metrics'].get('cam_eroded_mIoU')
    eroded = '' if eroded is None else f'; eroded {eroded:.2f}'
    return f'{row["scored_on"] or "–"}{_few(row["metrics"])}{best}{eroded}'


def _few(metrics: Mapping[str, float]) -> str:
    """The number of pictures where there were few, and it is known."""
    counts = [int(n) for key, n in metrics.items() if key.split('_')[-1] == 'images']
    return f' ({counts[0]} pictures, few)' if counts and counts[0] < FEW else ''
