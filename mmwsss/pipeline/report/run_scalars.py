# Licensed under Apache-2.0.
"""What a run logged, as series over its iterations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Record = dict[str, float]


@dataclass(frozen=True)
class RunScalars:
    """Numbers by name, over iterations.

    Attributes:
        train: name → iteration → value, in the order of the iterations.
        val: the same of validations.
    """

    train: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    val: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The last iteration that was logged, 0 if there is none."""
        return max((max(steps) for steps in self.train.values() if steps), default=0)

    @property
    def last_scores(self) -> dict[str, float]:
        """The scores of the last validation; empty if there was none."""
        if not self.val:
            return {}
        last = max(max(steps) for steps in self.val.values())
        return {name: of[last] for name, of in self.val.items() if last in of}


def read_scalars(files: Sequence[Path]) -> RunScalars:
    """The series of a run.

    Args:
        files: ``scalars.json`` of each start of the run, oldest first. Where a later
            start logged again what an earlier one had, the later counts: a run that
            goes on from a checkpoint repeats what came after that, one that began anew
            repeats all.
    """
    train: list[Record] = []
    val: list[Record] = []
    for file in files:
        records = list(_records(file.read_text(encoding='utf-8').splitlines()))
        trained = [record for record in records if 'iter' in record]
        if not records:
            continue
        first = min(record['step'] for record in trained or records)
        train = [record for record in train if record['step'] < first] + trained
        val = [record for record in val if record['step'] < first]
        val += [record for record in records if 'iter' not in record]
    return RunScalars(_by_name(train), _by_name(val))


def _records(lines: Iterable[str]) -> Iterator[Record]:
    """The lines as numbers; one that a kill cut off is none."""
    for line in lines:
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        numbers = {
            key: float(value)
            for key, value in found.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        if 'step' in numbers:
            yield numbers


def _by_name(records: Sequence[Record]) -> dict[str, dict[int, float]]:
    series: dict[str, dict[int, float]] = {}
    for record in sorted(records, key=lambda one: one['step']):
        for name, value in record.items():
            if name not in ('step', 'iter'):
                series.setdefault(name, {})[int(record['step'])] = value
    return series
