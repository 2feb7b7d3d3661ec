# Licensed under Apache-2.0.
"""What the work dir of a pipeline holds, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .run_folder import read_json

_STAGES = '[0-9][0-9]_*/begun.json'


@dataclass(frozen=True)
class StageFacts:
    """One stage of a pipeline that was begun.

    Attributes:
        name: of the stage.
        kind: its type, as ``'train'``.
        run: folder that its tool wrote into.
        finished: whether it came to its end.
        minutes: that it took; 0 where it isn't finished.
        metrics: its scores.
        scored_on: the split behind them, ``''`` where nothing says it.
        report: what ``metrics.json`` in its folder holds, else empty.
    """

    name: str
    kind: str
    run: Path
    finished: bool
    minutes: float
    metrics: Mapping[str, float]
    scored_on: str = ''
    report: Mapping[str, Any] = field(default_factory=dict)


def is_pipeline(path: Path) -> bool:
    """Whether a folder is the work dir of a pipeline."""
    return any(True for _ in path.glob(_STAGES))


def read_stages_of(path: Path) -> list[StageFacts]:
    """The stages that were begun, in their order.

    Raises:
        UserError: if a file of theirs is no JSON.
    """
    summary = path / 'summary.json'
    rows = read_json(summary) if summary.is_file() else []
    named = {row['stage']: row for row in rows}
    return [_stage(begun, named) for begun in sorted(path.glob(_STAGES))]


def _stage(begun: Path, summary: Mapping[str, Mapping[str, Any]]) -> StageFacts:
    folder = begun.parent
    name = folder.name[3:]
    settings = read_json(begun).get('settings', {})
    finished = (folder / 'record.json').is_file()
    record = read_json(folder / 'record.json') if finished else {}
    row = summary.get(name, {}) if finished else {}
    scores = folder / 'run' / 'metrics.json'
    return StageFacts(
        name,
        str(settings.get('type', '')),
        folder / 'run',
        finished,
        record.get('seconds', 0.0) / 60,
        row.get('metrics') or record.get('metrics', {}),
        row.get('scored_on') or '',
        read_json(scores) if scores.is_file() else {},
    )
