# Licensed under Apache-2.0.
"""A class of Shapes with 1/50 of the pictures of the most frequent one, three ways.

    python tools/dataset_converters/shapes.py --out data/shapes --rare grid
    python benchmarks/rare_class.py

The plain CAM is trained on the list in which a class is rare: as it is, its pictures
drawn more often, or the class weighed more; and tested on the whole test split, in
which it isn't rare. It can be stopped and started at any time: finished runs
are skipped, an interrupted one resumes. After every run
``benchmarks/results/rare_class_grid.json`` (of ``--rare grid``) and the table beside it
are written anew; what that file holds of other rows and seeds stays.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tables import add_run_options, row_table, rows_parser, run_rows, spread

from mmwsss.cli.inference_options import AREAS
from mmwsss.datasets.rare_classes import CLASS_BALANCED, POS_WEIGHT
from mmwsss.datasets.shapes.scenes import SHAPES_CLASSES
from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.classification import average_precision
from mmwsss.evaluation.photo_areas import read_image_classes, read_photo_areas
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.io.data_errors import DataError
from mmwsss.pipeline.experiment import SINGLE_PROCESS, Experiment, run_experiment

ROOT = Path(__file__).resolve().parents[1]
CONFIG = 'configs/cam/cam_vit-t_shapes.py'
#: the decoder on the side teaches the CAM nothing: without it all is faster
CAM_ALONE = ('model.train_cfg.weights.seg=0', 'model.test_cfg.outputs=("cam",)')


class Row(NamedTuple):
    """A row of the table: its title, and what is added to the plain training."""

    title: str
    options: tuple[str, ...] = ()


ROWS = {
    'plain': Row('plain'),
    'sampling': Row('sampling', (CLASS_BALANCED,)),
    'weight': Row('weight', (POS_WEIGHT,)),
}
#: title of a column → score of a run
COLUMNS = {
    'CAM IoU, rare class': 'rare_iou',
    'CAM IoU, others': 'other_iou',
    'AP, rare class': 'rare_ap',
    'AP, others': 'other_ap',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = rows_parser(__doc__, ROWS, 'rare_class', seeds=[0, 1, 2], threads=1)
    parser.add_argument('--rare', default='grid', choices=SHAPES_CLASSES[1:])
    add_run_options(parser)
    args = parser.parse_args(argv)
    args.out = args.out.with_stem(f'{args.out.stem}_{args.rare}')  # not with others
    return args


def experiment(row: str, seed: int, args: argparse.Namespace) -> Experiment:
    """The training and test of one row."""
    split = f'train_dataloader.dataset.split=train_rare_{args.rare}'
    options = (*SINGLE_PROCESS, *CAM_ALONE, split, *ROWS[row].options)
    return Experiment(
        config=CONFIG,
        work_dir=args.work_dir / args.rare / row / f'seed_{seed}',
        root=ROOT,
        options=(*options, *args.cfg_options),
        seed=seed,
        threads=args.threads,
    )


def refuse_missing_list(rare: str) -> None:
    """Refuse to begin without the list in which the class is rare.

    Raises:
        DataError: naming it, and the command that writes it.
    """
    path = ROOT / f'data/shapes/splits/train_rare_{rare}.txt'
    command = 'python tools/dataset_converters/shapes.py --out data/shapes'
    if not path.is_file():
        raise DataError(path, 'is missing', f'{command} --rare {rare}')


def scores(areas_file: Path, rare: str) -> dict[str, float]:
    """CAM IoU and average precision of the rare class, and means of the others (%)."""
    of_photos = read_photo_areas(areas_file)[1]['cam']
    iou = scores_from_areas(ClassAreas(*of_photos.sum(0))).iou[1:]
    ap = average_precision(*read_image_classes(areas_file))
    channel = SHAPES_CLASSES.index(rare) - 1
    found = {}
    for name, values in dict(iou=iou, ap=ap).items():
        found[f'rare_{name}'] = 100 * float(values[channel])
        found[f'other_{name}'] = 100 * float(np.delete(values, channel).mean())
    return found


def table(results: dict[str, dict[str, dict]]) -> str:
    """Mean ± standard deviation over the seeds."""
    return row_table(
        'test split (%)',
        [*COLUMNS, 'seeds'],
        ROWS,
        results,
        lambda runs: [
            *(spread([run[key] for run in runs]) for key in COLUMNS.values()),
            str(len(runs)),
        ],
    )


def run(row: str, seed: int, args: argparse.Namespace) -> dict:
    """Train and test one row; what is kept of it."""
    one = experiment(row, seed, args)
    seconds = run_experiment(one)['seconds']
    found = scores(one.work_dir / 'test' / AREAS, args.rare)
    return found | dict(rare=args.rare, seconds=seconds)


def main(argv: list[str] | None = None) -> None:
    """Run what is asked for, seed by seed, so that a whole table is there early."""
    args = parse_args(argv)
    refuse_missing_list(args.rare)
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    pairs = [(row, seed) for seed in args.seeds for row in args.rows]
    run_rows(pairs, ROWS, args.out, lambda *pair: run(*pair, args), table)


if __name__ == '__main__':
    main()
