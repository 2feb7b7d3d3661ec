# Licensed under Apache-2.0.
"""What the benchmarks of pipelines share: run one, and the table of its stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from tables import spread

from mmwsss.pipeline.experiment import SINGLE_PROCESS

ROOT = Path(__file__).resolve().parents[1]
#: results: pipeline → seed → the rows of its summary
Results = dict[str, dict[str, list[dict]]]


class Pipeline(NamedTuple):
    """A pipeline, and the title of each of its stages that the table shows."""

    title: str
    config: str
    stages: dict[str, str]


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
