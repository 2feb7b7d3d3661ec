# Licensed under Apache-2.0.
"""What the work dir of a training or a test holds, read and not changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmwsss.cli.arguments import METRICS
from mmwsss.io.errors import UserError

from ..stage_types import last_checkpoint
from .run_scalars import RunScalars, read_scalars

#: text that the hook of the data leaves
DATA_SUMMARY = 'data_summary.txt'
_TIME = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ', re.MULTILINE)
_ENVIRONMENT = re.compile(r'System environment:\s*\n(.*?)\n-{20,}', re.DOTALL)


@dataclass(frozen=True)
class RunFolder:
    """One training, or one test.

    Attributes:
        path: the work dir.
        name: how it is called in the report.
        config: as it ran, ``None`` if none was left.
        scalars: what was logged.
        checkpoint: the last one, ``None`` if there is none.
        tests: name → content of ``metrics.json``, of the folder and those in it.
        minutes: that training took, all starts together.
        environment: what the log says of the machine.
        data: summary of the training data.
    """

    path: Path
    name: str
    config: Config | None = None
    scalars: RunScalars = field(default_factory=RunScalars)
    checkpoint: Path | None = None
    tests: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    minutes: float = 0.0
    environment: str = ''
    data: str = ''

    @property
    def planned(self) -> int | None:
        """Iterations that the config asks for, where it counts iterations."""
        return ((self.config or {}).get('train_cfg') or {}).get('max_iters')

    @property
    def done(self) -> int:
        """Iterations that are known to be done."""
        name = self.checkpoint.name if self.checkpoint else ''
        named = re.search(r'iter_(\d+)', name)
        return max(self.scalars.last, int(named[1]) if named else 0)


def is_run(path: Path) -> bool:
    """Whether a folder holds logs, a checkpoint or scores of a run."""
    patterns = ('*/vis_data', '*.pth', METRICS, f'*/{METRICS}')
    return any(True for pattern in patterns for _ in path.glob(pattern))


def read_run(path: Path, name: str, checkpoint: Path | None = None) -> RunFolder:
    """Read a work dir.

    Args:
        path: of ``tools/train.py`` or ``tools/test.py``.
        name: for the report.
        checkpoint: to look at instead of the last one.

    Raises:
        UserError: if a file of scores is no JSON.
    """
    scalars = sorted(path.glob('*/vis_data/scalars.json'))
    logs = sorted(path.glob('*/*.log'))
    trainings = [log for log in logs if (log.parent / 'vis_data/scalars.json').exists()]
    texts = [log.read_text(encoding='utf-8', errors='replace') for log in trainings]
    if not texts and logs:
        texts = [logs[-1].read_text(encoding='utf-8', errors='replace')]
    summary = path / DATA_SUMMARY
    config = _config(path, scalars)
    return RunFolder(
        path,
        name,
        config,
        read_scalars(scalars),
        checkpoint
        or last_checkpoint(path)
        or _newest(path)
        or (None if scalars else _tested(config)),
        _tests(path),
        sum(map(minutes_of, texts)) if trainings else 0.0,
        environment_of(texts[-1]) if texts else '',
        summary.read_text(encoding='utf-8').strip() if summary.is_file() else '',
    )


def _config(path: Path, scalars: list[Path]) -> Config | None:
    """That of the newest training, else of the newest start, else beside them."""
    files = [file.parent / 'config.py' for file in reversed(scalars)]
    files += sorted(path.glob('*/vis_data/config.py'), reverse=True)
    files += sorted(path.glob('*.py'))
    there = [file for file in files if file.is_file()]
    return Config.fromfile(there[0]) if there else None


def _newest(path: Path) -> Path | None:
    """The last checkpoint of a run that left no pointer to it."""
    found = sorted(path.glob('*.pth'), key=lambda file: file.stat().st_mtime_ns)
    return found[-1] if found else None


def _tested(config: Config | None) -> Path | None:
    """The checkpoint that a test has loaded, where it is a file that is there."""
    given = (config or {}).get('load_from')
    return Path(given) if given and Path(given).is_file() else None


def _tests(path: Path) -> dict[str, dict[str, Any]]:
    files = [path / METRICS, *sorted(path.glob(f'*/{METRICS}'))]
    return {
        'test' if file.parent == path else file.parent.name: read_json(file)
        for file in files
        if file.is_file()
    }


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: if it is none.
    """
    try:
        return json.loads(file.read_text(encoding='utf-8'))
    except ValueError as error:
        raise UserError(
            f'{file} is no valid JSON ({error}): delete it, or write it anew with the '
            'tool that made it'
        ) from error


def minutes_of(log: str) -> float:
    """Minutes between the first and the last line of a log of mmengine."""
    stamps = _TIME.findall(log)
    if len(stamps) < 2:
        return 0.0
    first, last = (
        datetime.strptime(stamp, '%Y/%m/%d %H:%M:%S')
        for stamp in (stamps[0], stamps[-1])
    )
    return (last - first).total_seconds() / 60


def environment_of(log: str) -> str:
    """What a log of mmengine says of machine and libraries, without how torch was
    compiled."""
    found = _ENVIRONMENT.search(log)
    lines = found[1].splitlines() if found else []
    kept, skip = [], False
    for line in lines:
        if 'compiling details' in line:
            skip = True
        elif skip and not line.strip():
            skip = False
        elif not skip:
            kept.append(line.strip())
    return '\n'.join(kept).strip()
