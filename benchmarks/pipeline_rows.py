# Licensed under Apache-2.0.
"""What the benchmarks of pipelines share: the command line, a run, the table."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from mmengine.logging import print_log
from tables import read_results, spread, write_results

from mmwsss.pipeline.experiment import SINGLE_PROCESS

ROOT = Path(__file__).resolve().parents[1]
#: results: pipeline → seed → the rows of its summary
Results = dict[str, dict[str, list[dict]]]


class Pipeline(NamedTuple):
    """A pipeline, and the title of each of its stages that the table shows.

    Attributes:
        title: in the table.
        config: its file.
        stages: name → title.
        folder: below the work dir, if not named after the pipeline. Pipelines that
            begin with the same stages share one.
    """

    title: str
    config: str
    stages: dict[str, str]
    folder: str = ''


def run(config: str, folder: Path, seed: int, threads: int) -> list[dict]:
    """Run one pipeline to its end; the rows of its summary."""
    # The loader's processes only wait for each other where threads are few.
    options = [f'all.{option}' for option in SINGLE_PROCESS if 'train' in option]
    number = str(threads)
    subprocess.run(
        [
            sys.executable,
            'tools/run_pipeline.py',
            config,
            '--work-dir',
            str(folder),
            '--seed',
            str(seed),
            '--cfg-options',
            *options,
        ],
        cwd=ROOT,
        env=dict(os.environ, OMP_NUM_THREADS=number, MKL_NUM_THREADS=number),
        check=True,
    )
    return json.loads((folder / 'summary.json').read_text())


def score(row: dict) -> float | None:
    """The score of a stage; where a network has several, that of its segmentation."""
    return next((v for v in reversed(row['scores'].values()) if v is not None), None)


def labelled(rows: list[dict]) -> str:
    """What share of the pixels is scored, where it isn't all of them."""
    shares = [row['metrics'].get('mask_labelled', 100.0) for row in rows]
    return f', {mean(shares):.0f} % labelled' if min(shares) < 99.5 else ''


def table(results: Results, pipelines: Mapping[str, Pipeline]) -> str:
    """The Markdown table of all that has results."""
    lines = [
        '| pipeline | what | scored on | mIoU | seeds |',
        '|---|---|---|---:|---:|',
    ]
    for name, pipeline in pipelines.items():
        runs = results.get(name, {})
        for stage, title in pipeline.stages.items():
            rows = [r for found in runs.values() for r in found if r['stage'] == stage]
            values = [v for v in map(score, rows) if v is not None]
            if values:
                lines.append(
                    f'| {pipeline.title} | {title}{labelled(rows)} | '
                    f'{rows[0]["scored_on"]} | {spread(values)} | '
                    f'{len(values)} |'
                )
    return '\n'.join(lines) + '\n'


def main(
    description: str,
    pipelines: Mapping[str, Pipeline],
    name: str,
    seeds: Sequence[int],
    threads: int,
    argv: Sequence[str] | None = None,
) -> None:
    """Run all that was asked for; keep what other calls have written.

    Args:
        description: first line of the help.
        pipelines: what can be run.
        name: of the work dir and the results.
        seeds: default of ``--seeds``.
        threads: default of ``--threads``.
        argv: the command line.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        '--pipelines', nargs='+', choices=pipelines, default=list(pipelines)
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=list(seeds))
    parser.add_argument('--threads', type=int, default=threads, help='of a stage')
    parser.add_argument('--work-dir', type=Path, default=ROOT / f'work_dirs/{name}')
    parser.add_argument(
        '--out', type=Path, default=ROOT / f'benchmarks/results/{name}.json'
    )
    args = parser.parse_args(argv)
    results: Results = read_results(args.out, pipelines)
    for seed in args.seeds:
        for key in args.pipelines:
            pipeline = pipelines[key]
            folder = args.work_dir.resolve() / (pipeline.folder or key)
            found = run(pipeline.config, folder / f'seed_{seed}', seed, args.threads)
            results.setdefault(key, {})[str(seed)] = found
            write_results(results, table(results, pipelines), args.out)
            print_log('\n' + table(results, pipelines))
