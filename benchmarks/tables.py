# Licensed under Apache-2.0.
"""The results files of the benchmarks on Shapes, and their tables."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path
from statistics import mean, stdev

from mmwsss.io.atomic_file import write_atomic, write_json


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation."""
    if not values:
        return '–'
    return f'{mean(values):.1f}' + (f' ± {stdev(values):.1f}' if values[1:] else '')


def read_results(path: Path, known: Container[str]) -> dict[str, dict]:
    """What a results file holds of the ``known`` entries; without a file nothing.

    Raises:
        ValueError: if it is no results file.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text()).items()
        return {name: dict(runs) for name, runs in found if name in known}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path} is no results file of this script ({error}): name '
            'another with --out'
        ) from error


def write_results(results: Mapping[str, Mapping], table: str, path: Path) -> None:
    """The results, and the table beside them."""
    write_json(results, path)
    write_atomic(table.encode(), path.with_suffix('.md'))
