# Licensed under Apache-2.0.
"""The pipelines on Shapes, several seeds: what every stage adds.

    python benchmarks/shapes_pipelines.py

runs each pipeline with each seed, one after the other; ``benchmarks/results/
shapes_pipelines.json`` and the table in ``shapes_pipelines.md`` beside it are written
anew after every run. It can be stopped and started again at any time: the pipelines
skip and resume.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
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
    """A pipeline, and the title of each of its stages that the table shows."""

    title: str
    config: str
    stages: dict[str, str]


PIPELINES = {
    'semformer': Pipeline(
        'SemFormer', 'configs/semformer/semformer_shapes_pipeline.py', {
            'plain_cam_score': 'CAM without attention',
            'cam_score': 'CAM',
            'seed_score': 'seeds of the affinity network',
            'crf_score': 'mask before the walk',
            'mask_score': 'mask after the walk',
            'test': 'segmenter'}),
    'toco': Pipeline(
        'ToCo', 'configs/toco/toco_shapes_pipeline.py', {
            'toco_test': "ToCo's own decoder",
            'cam_score': 'CAM',
            'mask_score': 'mask',
            'test': 'segmenter'}),
    'smaf': Pipeline(
        'SMAF on ToCo', 'configs/smaf/smaf_shapes_pipeline.py', {
            'cam_score': 'CAM',
            'mask_score': 'mask (CRF)',
            'test': 'segmenter'}),
}  # yapf: disable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--pipelines', nargs='+', choices=PIPELINES, default=list(PIPELINES)
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--threads', type=int, default=1, help='threads of a stage')
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/shapes_pipelines'
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/shapes_pipelines.json'
    )
    return parser.parse_args(argv)


def run(name: str, seed: int, args: argparse.Namespace) -> list[dict]:
    """Run one pipeline to its end; the rows of its summary."""
    folder = args.work_dir.resolve() / name / f'seed_{seed}'
    threads = str(args.threads)
    # The loader's processes only wait for each other where threads are few.
    options = [f'all.{option}' for option in SINGLE_PROCESS if 'train' in option]
    subprocess.run(
        [
            sys.executable,
            'tools/run_pipeline.py',
            PIPELINES[name].config,
            '--work-dir',
            str(folder),
            '--seed',
            str(seed),
            '--cfg-options',
            *options,
        ],
        cwd=ROOT,
        env=dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads),
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


def table(results: Results) -> str:
    """The markdown table of all that has results."""
    lines = [
        '| pipeline | what | scored on | mIoU | seeds |',
        '|---|---|---|---:|---:|',
    ]
    for name, pipeline in PIPELINES.items():
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


def main(argv: list[str] | None = None) -> None:
    """Run all that was asked for; keep what other calls have written."""
    args = parse_args(argv)
    results: Results = read_results(args.out, PIPELINES)
    for seed in args.seeds:
        for name in args.pipelines:
            results.setdefault(name, {})[str(seed)] = run(name, seed, args)
            write_results(results, table(results), args.out)
            print_log('\n' + table(results))


if __name__ == '__main__':
    main()
