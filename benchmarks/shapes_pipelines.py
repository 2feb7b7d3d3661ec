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
from pathlib import Path

from mmengine.logging import print_log
from pipeline_rows import ROOT, Pipeline, Results, run, table
from tables import read_results, write_results

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


def main(argv: list[str] | None = None) -> None:
    """Run all that was asked for; keep what other calls have written."""
    args = parse_args(argv)
    results: Results = read_results(args.out, PIPELINES)
    for seed in args.seeds:
        for name in args.pipelines:
            folder = args.work_dir.resolve() / name / f'seed_{seed}'
            found = run(PIPELINES[name].config, folder, seed, args.threads)
            results.setdefault(name, {})[str(seed)] = found
            write_results(results, table(results, PIPELINES), args.out)
            print_log('\n' + table(results, PIPELINES))


if __name__ == '__main__':
    main()
