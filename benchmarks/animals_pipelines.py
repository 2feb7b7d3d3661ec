# Licensed under Apache-2.0.
"""The pipelines on VOC Animals: what every stage adds, down to a stock segmenter.

    python benchmarks/animals_pipelines.py

runs ToCo, SMAF on top of that ToCo (in the same work dir, so that its base isn't
trained twice) and SemFormer; ``benchmarks/results/animals_pipelines.json`` and the
table in ``animals_pipelines.md`` beside it are written anew after each. Three hours of
two CPU cores; it can be stopped and started again at any time: the pipelines skip and
resume.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.logging import print_log
from pipeline_rows import ROOT, Pipeline, Results, run, table
from tables import read_results, write_results

PIPELINES = {
    'toco': Pipeline(
        'ToCo', 'configs/toco/toco_animals_pipeline.py', {
            'toco_test': "ToCo's own decoder",
            'cam_score': 'CAM',
            'mask_score': 'mask',
            'test': 'segmenter'}),
    'smaf': Pipeline(
        'SMAF on ToCo', 'configs/smaf/smaf_animals_pipeline.py', {
            'smaf_test': 'own prediction',
            'smaf_cam_score': 'CAM',
            'smaf_mask_score': 'mask (CRF)',
            'smaf_segmenter_test': 'segmenter'}),
    'semformer': Pipeline(
        'SemFormer', 'configs/semformer/semformer_animals_pipeline.py', {
            'plain_cam_score': 'CAM without attention',
            'cam_score': 'CAM',
            'seed_score': 'seeds of the affinity network',
            'crf_score': 'mask before the walk',
            'mask_score': 'mask after the walk',
            'test': 'segmenter'}),
}  # yapf: disable
#: pipelines that begin with the same stages share a work dir
FOLDERS = dict(toco='toco', smaf='toco', semformer='semformer')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--pipelines', nargs='+', choices=PIPELINES, default=list(PIPELINES)
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0])
    parser.add_argument('--threads', type=int, default=min(os.cpu_count() or 1, 2))
    parser.add_argument(
        '--work-dir', type=Path, default=ROOT / 'work_dirs/animals_pipelines'
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/animals_pipelines.json'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run all that was asked for; keep what other calls have written."""
    args = parse_args(argv)
    results: Results = read_results(args.out, PIPELINES)
    for seed in args.seeds:
        for name in args.pipelines:
            folder = args.work_dir.resolve() / FOLDERS[name] / f'seed_{seed}'
            found = run(PIPELINES[name].config, folder, seed, args.threads)
            results.setdefault(name, {})[str(seed)] = found
            write_results(results, table(results, PIPELINES), args.out)
            print_log('\n' + table(results, PIPELINES))


if __name__ == '__main__':
    main()
