# Licensed under Apache-2.0.
"""A stage's folder: what lies in it, and what is known of earlier runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmwsss.io.atomic_file import write_json

from .fingerprint import path_hash
from .manifest import put_aside
from .stages import PipelineError, Stage

ASIDE = 'aside'


@dataclass(frozen=True)
class StageFolder:
    """The folder ``NN_name`` of a stage.

    ``begun.json``: settings, inputs and their hash, written before the tool starts;
    ``record.json``: written when it has finished; ``output.log``: all that it printed;
    ``run/``: what the tool writes; beside them its resolved config.

    Attributes:
        path: the folder itself.
        stage: the stage.
    """

    path: Path
    stage: Stage

    @property
    def run(self) -> Path:
        """Where the tool writes."""
        return self.path / 'run'

    @property
    def log(self) -> Path:
        """All that the tool printed."""
        return self.path / 'output.log'

    @property
    def config(self) -> Path:
        """The stage's config with all options filled in."""
        assert self.stage.config is not None  # else there's nothing to write
        return self.path / self.stage.config.name

    def begun(self) -> dict | None:
        """What the stage was begun with."""
        return _read(self.path / 'begun.json')

    def record(self) -> dict | None:
        """What the stage left when it had finished."""
        return _read(self.path / 'record.json')

    def begin(
        self, fingerprint: str, settings: Mapping[str, Any], processes: int
    ) -> None:
        """Note that work starts or goes on, before it does."""
        known = self.begun() or dict(seconds=0.0)
        if 'started' in known:
            known['seconds'] += self.last_session(known)
        known |= dict(
            fingerprint=fingerprint,
            settings=settings,
            processes=processes,
            started=time.time(),
        )
        (self.path / 'record.json').unlink(missing_ok=True)
        write_json(known, self.path / 'begun.json')
        self.run.mkdir(exist_ok=True)

    def last_session(self, begun: Mapping[str, Any]) -> float:
        """Seconds from the last start to the last line of the log.

        A killed run can't say how long it took; its log can.
        """
        last = self.log.stat().st_mtime if self.log.exists() else begun['started']
        return max(0.0, last - begun['started'])

    def finish(self, facts: Mapping[str, Any]) -> dict:
        """Write the record; returns it.

        Raises:
            PipelineError: if what the stage was begun with has gone.
        """
        begun = self.begun()
        if begun is None:
            raise PipelineError(
                f'{self.path} was emptied while stage {self.stage.name!r} ran: run it '
                'again'
            )
        record = dict(
            name=self.stage.name,
            type=self.stage.type,
            fingerprint=begun['fingerprint'],
            processes=begun['processes'],
            seconds=round(begun['seconds'] + time.time() - begun['started'], 1),
            yields=self.yields(),
            metrics=self.stage.kind.metrics(self.run),
            **facts,
        )
        write_json(record, self.path / 'record.json')
        return record

    def yields(self) -> dict[str, dict]:
        """What is there: path below the folder of the stage, and hash."""
        found = {name: find(self.run) for name, find in self.stage.kind.yields.items()}
        return {
            name: dict(path=os.path.relpath(path, self.path), hash=path_hash(path))
            for name, path in found.items()
            if path is not None
        }

    def paths(self, record: Mapping[str, Any]) -> dict[str, str]:
        """``{'stage.what': path}`` of a finished stage."""
        return {
            f'{self.stage.name}.{name}': str(self.path / item['path'])
            for name, item in record['yields'].items()
        }

    def altered(self, record: Mapping[str, Any]) -> str | None:
        """The first output that is no longer what the record says."""
        for name, item in record['yields'].items():
            if path_hash(self.path / item['path']) != item['hash']:
                return name
        return None

    def put_aside(self) -> Path | None:
        """Move all that is there out of the way; returns where it went."""
        if not self.path.exists() or not any(self.path.iterdir()):
            return None
        mark = (self.begun() or {}).get('fingerprint', 'unknown')
        name = f'{self.path.name}-{mark}'
        return put_aside(self.path, self.path.parent / ASIDE / name)


def find_stage_folder(work_dir: Path, stage: Stage) -> StageFolder:
    """The stage's folder: one of that name that is there, or else the one to make.

    A stage that is put in between changes the numbers of those after it; they keep
    the folders they have.
    """
    there = sorted(work_dir.glob(f'[0-9][0-9]_{stage.name}'))
    return StageFolder(
        there[0] if there else work_dir / f'{stage.number:02d}_{stage.name}', stage
    )


def _read(path: Path) -> dict | None:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise PipelineError(
            f'{path} is no valid JSON ({error}): delete it, and the stage is taken as '
            'not finished'
        ) from error
