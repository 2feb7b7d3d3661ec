# Licensed under Apache-2.0.
"""What to annotate next: masks or points beside image labels, on VOC Animals.

    python benchmarks/animals_partial.py                       # all that is missing
    python benchmarks/animals_partial.py --rows masks_20 --iters 400

ToCo learns from the image labels of all training photos, and beside them from nothing,
from whole masks of 20 or of 100 of them, and from one point for each region. All rows
have one length, a short one; scores are those of ``val``. It can be stopped and started
at any time, as ``animals.py``: finished rows are skipped, an interrupted one resumes.
``benchmarks/results/animals_partial.json`` and the table in ``animals_partial.md``
beside it are written anew after every row.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from animals import entry
from mmengine.logging import print_log
from tables import (
    add_run_options,
    row_table,
    rows_parser,
    run_rows,
    score_cells,
    training_cells,
)

from mmwsss.io.atomic_file import is_whole
from mmwsss.io.output_folder import made_in
from mmwsss.pipeline.experiment import SINGLE_PROCESS, Experiment, run_experiment
from mmwsss.pipeline.stage_process import progress, run_command

ROOT = Path(__file__).resolve().parents[1]
BASE = 'configs/toco/toco_deit-t_animals.py'
PARTIAL = 'configs/toco/toco_deit-t_animals_partial.py'
TOOL = 'tools/dataset_converters/partial_labels.py'
#: title of a column → score
COLUMNS = {
    'seg': 'seg_mIoU',
    'CAM': 'cam_mIoU',
    'pseudo label': 'pseudo_mIoU',
    '(labelled)': 'pseudo_labelled',
}
#: terms of ToCo that begin late, with their weights
WEIGHTS = dict(ptc=0.2, ctc=0.5, seg=0.1)


class Row(NamedTuple):
    """What is known beside the image labels: its title, and the tool's options."""

    title: str
    options: tuple[str, ...] = ()


ROWS = {
    'labels': Row('nothing'),
    'masks_20': Row('20 masks', ('--masks', '--count', '20')),
    'masks_100': Row('100 masks', ('--masks', '--count', '100')),
    'points': Row('a point for each region', ('--points', '--radius', '3')),
}
Results = dict[str, dict[str, dict]]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = rows_parser(__doc__, ROWS, 'animals_partial', seeds=[0])
    parser.add_argument(
        '--iters', type=int, default=1000, help='of each training; default 1,000'
    )
    add_run_options(parser)
    return parser.parse_args(argv)


def make_labels(row: str, seed: int, args: argparse.Namespace) -> Path:
    """The partial labels of a row; made once. Masks are drawn by the seed."""
    folder = args.work_dir / 'labels' / f'{row}_{seed}'
    made = made_in(folder)
    if made and all(is_whole(folder / name) for name in made):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [TOOL, BASE, *ROWS[row].options, '--seed', str(seed), '--out']
    command += [str(folder), '--workers', str(args.threads)]
    log = folder.parent / 'output.log'
    run_command(command, log, lambda line: None, ROOT, cwd=ROOT)
    return folder


def experiment(
    row: str, seed: int, args: argparse.Namespace, labels: Path | None
) -> Experiment:
    """The training and the test of one row."""
    options = [*SINGLE_PROCESS, f'train_cfg.max_iters={args.iters}']
    options += [f'train_cfg.val_interval={args.iters}']
    # half of it is classification, as two thirds of the whole training are
    options += [
        f'model.train_cfg.weights.{term}=[(0,0.0),({args.iters // 2},{weight})]'
        for term, weight in WEIGHTS.items()
    ]
    options += args.cfg_options
    if labels is not None:
        options.append(f'train_dataloader.dataset.side_inputs.partial.dir={labels}')
    return Experiment(
        config=BASE if labels is None else PARTIAL,
        work_dir=args.work_dir / row / f'seed_{seed}',
        root=ROOT,
        options=tuple(options),
        seed=seed,
        threads=args.threads,
    )


def run(row: str, seed: int, args: argparse.Namespace) -> dict:
    """Train and test one row; its entry, with how many pictures somebody annotated."""
    labels = make_labels(row, seed, args) if ROWS[row].options else None
    one = experiment(row, seed, args, labels)
    result = run_experiment(one, progress(print_log, f'{row}, seed {seed}'))
    annotated = 0 if labels is None else len(made_in(labels))
    return entry(result) | dict(iters=args.iters, annotated=annotated)


def table(results: Results) -> str:
    """A row for each kind of annotation: mean ± standard deviation over the seeds."""
    titles = ['pictures annotated', *COLUMNS, 'iterations', 'training', 'seeds']
    return row_table('known beside the image labels', titles, ROWS, results, cells)


def cells(runs: list[dict]) -> list[str]:
    """All columns of a row but the first."""
    lengths, annotated = (
        ', '.join(sorted({str(run[key]) for run in runs}))
        for key in ('iters', 'annotated')
    )
    scores = score_cells(runs, list(COLUMNS.values()))
    return [annotated, *scores, lengths, training_cells(runs)[0], str(len(runs))]


def main(argv: list[str] | None = None) -> None:
    """Run what is asked for, one row at a time."""
    args = parse_args(argv)
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    pairs = [(row, seed) for seed in args.seeds for row in args.rows]
    run_rows(pairs, ROWS, args.out, lambda *pair: run(*pair, args), table)


if __name__ == '__main__':
    main()
