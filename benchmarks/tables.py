# Licensed under Apache-2.0.
"""The results files of the benchmarks, their tables and command lines."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from mmengine.logging import print_log

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


def row_table(
    head: str,
    titles: Sequence[str],
    rows: Mapping[str, Any],
    results: Mapping[str, Mapping[str, dict]],
    cells: Callable[[list[dict]], list[str]],
) -> str:
    """A Markdown table with a line for each row that has results.

    Args:
        head: title of the first column, which holds ``row.title``.
        titles: of the others.
        rows: what there may be, by name.
        results: row → seed → what was found.
        cells: of the other columns, from what was found with each seed.
    """
    lines = [f'| {head} | {" | ".join(titles)} |', '|---|' + '---:|' * len(titles)]
    for name, row in rows.items():
        runs = list(results.get(name, {}).values())
        if runs:
            lines.append(f'| {row.title} | {" | ".join(cells(runs))} |')
    return '\n'.join(lines) + '\n'


def score_cells(
    runs: Sequence[Mapping[str, Any]], keys: Sequence[str], test: str = 'metrics'
) -> list[str]:
    """Mean ± standard deviation of some scores of a test; of those that it has."""
    return [
        spread([run[test][key] for run in runs if key in run.get(test, {})])
        for key in keys
    ]


def training_cells(runs: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Longest time and largest memory of the trainings that ran in one go."""
    costs = [run['train_cost'] for run in runs if run['train_cost']]
    if not costs:
        return '–', '–'
    minutes = max(cost['seconds'] for cost in costs) / 60
    memory = max(cost['peak_mib'] for cost in costs) / 1024
    return f'{minutes:.0f} min', f'{memory:.1f} GiB'


def rows_parser(
    description: str,
    rows: Mapping[str, Any],
    name: str,
    seeds: Sequence[int] | None = None,
    threads: int | None = None,
) -> argparse.ArgumentParser:
    """The command line of a benchmark that trains and tests rows.

    Args:
        description: its first line is that of the help.
        rows: what can be run.
        name: of the work dir and the results.
        seeds: default of ``--seeds``; ``None``: the rows' own.
        threads: default of ``--threads``; ``None``: two, where there are two cores.
    """
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=description.split('\n')[0])
    parser.add_argument('--rows', nargs='+', choices=rows, default=list(rows))
    own = "the rows' own" if seeds is None else ' '.join(map(str, seeds))
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=seeds, help=f'default: {own}'
    )
    if threads is None:
        threads = min(os.cpu_count() or 1, 2)
    parser.add_argument('--threads', type=int, default=threads, help='of a run')
    parser.add_argument('--work-dir', type=Path, default=root / f'work_dirs/{name}')
    parser.add_argument(
        '--out', type=Path, default=root / f'benchmarks/results/{name}.json'
    )
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='of all rows'
    )


def run_rows(
    pairs: Sequence[tuple[str, int]],
    known: Container[str],
    out: Path,
    run: Callable[[str, int], dict],
    table: Callable[[dict[str, dict]], str],
) -> None:
    """Run one after the other; after each the results are written anew.

    What the file holds of other rows and seeds stays, also what another process has
    written meanwhile.

    Args:
        pairs: (row, seed), in order.
        known: rows that there are.
        out: results file.
        run: gives what is kept of a row and seed.
        table: of all results.
    """
    for row, seed in pairs:
        found = run(row, seed)
        results = read_results(out, known)
        results.setdefault(row, {})[str(seed)] = found
        write_results(results, table(results), out)
        print_log(f'{row}, seed {seed}: {json.dumps(found.get("metrics", found))}')
    print_log('\n' + table(read_results(out, known)))
