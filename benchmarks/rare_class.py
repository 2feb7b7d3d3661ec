# Licensed under Apache-2.0.
"""A class on 1 of 50 pictures of Shapes: plain, drawn more often, weighed more.

    python tools/dataset_converters/shapes.py --out data/shapes --rare grid
    python benchmarks/rare_class.py

The plain CAM is trained on the list in which a class is rare, and tested on the whole
test split, in which it is not. It can be stopped and started at any time: finished runs
are skipped, an interrupted one resumes. After every run
``benchmarks/results/rare_class.json`` and the table in ``rare_class.md`` beside it are
written anew; what that file holds of other rows and seeds stays.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from tables import read_results, spread, write_results

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
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument('--rare', default='grid', choices=SHAPES_CLASSES[1:])
    parser.add_argument('--threads', type=int, default=1, help='of a run')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/rare_class')
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'benchmarks/results/rare_class.json'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='more of them'
    )
    return parser.parse_args(argv)


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
    titles = [*COLUMNS, 'seeds']
    lines = [
        '| test split (%) | ' + ' | '.join(titles) + ' |',
        '|---|' + '---:|' * len(titles),
    ]
    for name, row in ROWS.items():
        runs = list(results.get(name, {}).values())
        if runs:
            cells = [spread([run[key] for run in runs]) for key in COLUMNS.values()]
            lines.append(f'| {row.title} | {" | ".join(cells)} | {len(runs)} |')
    return '\n'.join(lines) + '\n'


def main(argv: list[str] | None = None) -> None:
    """Run what is asked for, seed by seed, so that a whole table is there early."""
    args = parse_args(argv)
    refuse_missing_list(args.rare)
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    for seed in args.seeds:
        for row in args.rows:
            one = experiment(row, seed, args)
            result = run_experiment(one)
            found = scores(one.work_dir / 'test' / AREAS, args.rare)
            found |= dict(rare=args.rare, seconds=result['seconds'])
            results = read_results(args.out, ROWS)
            results.setdefault(row, {})[str(seed)] = found
            write_results(results, table(results), args.out)
            print_log(f'{row}, seed {seed}: {found}')
    print_log('\n' + table(read_results(args.out, ROWS)))


if __name__ == '__main__':
    main()
