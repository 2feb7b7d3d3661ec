# Licensed under Apache-2.0.
"""The single-stage methods on Shapes: rows as in their ablations, several seeds.

    python benchmarks/shapes_ablation.py --jobs 2

trains and tests each row with each seed (numbers on the test split), at most
``--jobs`` at a time. It can be stopped and started again at any time: finished runs
are skipped by their result file, interrupted ones resume. After every run
``benchmarks/results/shapes_ablation.json`` and the table in ``shapes_ablation.md``
beside it are written anew; what that file holds of other rows and seeds stays, so that
a fresh clone can add a row: ``--rows fsr``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from tables import read_results, score_cells, write_results

from mmwsss.pipeline.experiment import (
    COLUMNS,
    SINGLE_PROCESS,
    Experiment,
    run_experiment,
)
from mmwsss.pipeline.stage_process import ToolError

ROOT = Path(__file__).resolve().parents[1]


class Row(NamedTuple):
    """A row of the table."""

    title: str
    config: str
    paper: str  # CAM / aux CAM / seg on VOC val, with the paper's encoder


ROWS = {
    'cls': Row('L_cls', 'configs/toco/toco_vit-t_shapes_cls.py', '27.8 / – / –'),
    'aux': Row('+ L_cls aux', 'configs/toco/toco_vit-t_shapes_aux.py',
               '27.9 / 53.8 / –'),
    'ptc': Row('+ PTC', 'configs/toco/toco_vit-t_shapes_ptc.py', '62.5 / 57.8 / –'),
    'ctc': Row('+ CTC', 'configs/toco/toco_vit-t_shapes_ctc.py', '67.2 / 60.7 / –'),
    'seg': Row('+ L_seg', 'configs/toco/toco_vit-t_shapes_seg.py',
               '69.9 / 61.2 / 66.6'),
    'reg': Row('+ L_reg = ToCo', 'configs/toco/toco_vit-t_shapes.py',
               '70.5 / 62.5 / 68.1'),
    'cam': Row('plain CAM: L_cls, decoder on the side',
               'configs/cam/cam_vit-t_shapes.py', '–'),
    'cam_seg': Row('L_cls + L_seg on its own CAM',
                   'configs/cam/cam_vit-t_shapes_seg.py', '–'),
    'sup': Row('fully supervised', 'configs/toco/sup_vit-t_shapes.py', '– / – / 80.5'),
    'fsr_base': Row('FSR without L_unc and L_cer',
                    'configs/fsr/fsr_vit-t_shapes_base.py', '71.1 / – / 67.9'),
    'fsr_unc': Row('FSR, + L_unc', 'configs/fsr/fsr_vit-t_shapes_unc.py',
                   '74.4 / – / 72.5'),
    'fsr_cer': Row('FSR, + L_cer', 'configs/fsr/fsr_vit-t_shapes_cer.py',
                   '75.2 / – / 73.3'),
    'fsr': Row('FSR, + L_unc + L_cer', 'configs/fsr/fsr_vit-t_shapes.py',
               '75.7 / – / 73.6'),
    'afa': Row('AFA', 'configs/afa/afa_mit-t_shapes.py', '64.4 / – / 63.8'),
    'wr38': Row('L_cls, Wide-ResNet-38', 'configs/eps/cls_wr38-t_shapes.py', '–'),
    'eps': Row('EPS', 'configs/eps/eps_wr38-t_shapes.py', '69.5 / – / –'),
}  # fmt: skip


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=2, help='runs at a time')
    parser.add_argument('--threads', type=int, default=1, help='threads of a run')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/shapes')
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/shapes_ablation.json'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='more options for every run; earlier runs with other '
        'options are put aside',
    )
    return parser.parse_args(argv)


def plan(
    args: argparse.Namespace, rows: Iterable[str], seeds: Iterable[int]
) -> dict[tuple[str, int], Experiment]:
    """The experiments, seed by seed, so that a first table is there early."""
    return {
        (row, seed): Experiment(
            config=ROWS[row].config, work_dir=args.work_dir / row / f'seed_{seed}',
            root=ROOT, options=(*SINGLE_PROCESS, *args.cfg_options), seed=seed,
            threads=args.threads)
        for seed in seeds for row in rows
    }  # fmt: skip


def table(results: dict[str, dict[str, dict]]) -> str:
    """The markdown table of all rows that have results."""
    lines = [
        '| row | ' + ' | '.join(COLUMNS) + ' | paper (VOC) | seeds | command |',
        '|---|' + '---:|' * len(COLUMNS) + '---|---:|---|',
    ]
    for name, row in ROWS.items():
        runs = list(results.get(name, {}).values())
        if not runs:
            continue
        cells = score_cells(runs, list(COLUMNS.values()))
        command = f'`python benchmarks/shapes_ablation.py --rows {name}`'
        lines.append(
            f'| {row.title} | '
            + ' | '.join(cells)
            + f' | {row.paper} | {len(runs)} | {command} |'
        )
    return '\n'.join(lines) + '\n'


def summary(metrics: dict[str, float]) -> str:
    """The table's numbers of one run in one line."""
    return ', '.join(
        f'{title} {metrics[key]:.1f}'
        for title, key in COLUMNS.items()
        if key in metrics
    )


def entry(result: dict) -> dict:
    """What the results file keeps of a run."""
    return {key: result[key] for key in ('config', 'seconds', 'metrics')}


def finished(args: argparse.Namespace) -> dict[str, dict[str, dict]]:
    """Results of earlier calls, of rows and seeds not asked for too: a call for one
    row doesn't drop the others from the table. Those of the results file come first,
    those of the work folder replace them."""
    folders = (p.name.removeprefix('seed_') for p in args.work_dir.glob('*/seed_*'))
    seeds = sorted({*args.seeds, *(int(n) for n in folders if n.isdigit())})
    results = read_results(args.out, ROWS)
    for (row, seed), experiment in plan(args, ROWS, seeds).items():
        stored = experiment.stored_result()
        if stored is not None:
            results.setdefault(row, {})[str(seed)] = entry(stored)
    return results


def run_all(args: argparse.Namespace) -> list[str]:
    """Run the plan; returns what failed."""
    experiments, results = plan(args, args.rows, args.seeds), finished(args)
    failures: list[str] = []
    start, trained = time.time(), 0
    with ThreadPoolExecutor(args.jobs) as pool:
        known = {
            key: one.stored_result() is not None for key, one in experiments.items()
        }
        futures = {
            pool.submit(run_experiment, one): key for key, one in experiments.items()
        }
        for done, future in enumerate(as_completed(futures), 1):
            row, seed = futures[future]
            try:
                result = future.result()
            except ToolError as error:
                failures.append(f'{row}, seed {seed}: {error}')
                print_log(failures[-1])
                continue
            results.setdefault(row, {})[str(seed)] = entry(result)
            write_results(results, table(results), args.out)
            trained += not known[row, seed]
            left = sum(not f.done() for f in futures)
            minutes = (time.time() - start) / 60 / max(trained, 1) * left
            print_log(
                f'{done}/{len(futures)} {row}, seed {seed}: '
                f'{summary(result["metrics"])} ({result["seconds"]} s); '
                f'about {minutes:.0f} minutes left'
            )
    print_log('\n' + table(results))
    return failures


def main(argv: list[str] | None = None) -> int:
    """Run the ablation; 1 if a run failed."""
    args = parse_args(argv)
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    return int(bool(run_all(args)))


if __name__ == '__main__':
    sys.exit(main())
