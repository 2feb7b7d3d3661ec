# Licensed under Apache-2.0.
"""Real photos: the single-stage methods on VOC Animals, scored on ``val``.

    python benchmarks/animals.py                    # all that is missing, row by row
    python benchmarks/animals.py --rows cam toco --seeds 0

It is planned for about ten hours of two CPU cores and can be stopped and started at any
time: finished rows are skipped, an interrupted one resumes. After every row
``benchmarks/results/animals.json`` and the tables in ``animals.md`` beside it are
written anew, with the counts of each photo (``animals_areas/ROW_SEED.npz``), from which
the intervals come; what these files hold of other rows stays. The pipelines are
``benchmarks/animals_pipelines.py``'s.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from tables import row_table, rows_parser, run_rows, score_cells, training_cells

from mmwsss.cli.inference_options import AREAS
from mmwsss.datasets.voc_animals import VOCAnimalsDataset
from mmwsss.evaluation.areas import ClassAreas
from mmwsss.evaluation.photo_areas import (
    paired_difference,
    read_photo_areas,
)
from mmwsss.evaluation.scores import scores_from_areas
from mmwsss.pipeline.experiment import SINGLE_PROCESS, Experiment, run_experiment
from mmwsss.pipeline.stage_process import progress

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = 200
CLASSES = VOCAnimalsDataset.METAINFO['classes']
#: title of a column → (test, score)
COLUMNS = {
    'mAP': ('metrics', 'cls_mAP'),
    'CAM': ('metrics', 'cam_mIoU'),
    'aux CAM': ('metrics', 'aux_cam_mIoU'),
    'pseudo label': ('metrics', 'pseudo_mIoU'),
    '(labelled)': ('metrics', 'pseudo_labelled'),
    'seg': ('metrics', 'seg_mIoU'),
    '+ TTA': ('tta', 'seg_mIoU'),
    '+ CRF': ('crf', 'seg_mIoU'),
}
#: further tests of networks with a decoder
MORE_TESTS = dict(
    tta=('--tta', 'model.test_cfg.outputs=("seg",)'),
    crf=('--post-processor=crf', 'model.test_cfg.outputs=("seg",)'),
)


class Row(NamedTuple):
    """A row of the table: its title, config, and outputs with a decoder or not."""

    title: str
    config: str
    seeds: tuple[int, ...] = (0,)
    more_tests: tuple[str, ...] = ('tta', 'crf')


THREE = (0, 1, 2)
ROWS = {
    'cam': Row('plain CAM: L_cls', 'configs/cam/cam_deit-t_animals.py', THREE, ()),
    'aux': Row('+ L_cls aux', 'configs/toco/toco_deit-t_animals_aux.py', (0,), ()),
    'ptc': Row('+ PTC', 'configs/toco/toco_deit-t_animals_ptc.py', (0,), ()),
    'ctc': Row('+ CTC', 'configs/toco/toco_deit-t_animals_ctc.py', (0,), ()),
    'toco': Row('+ L_seg = ToCo', 'configs/toco/toco_deit-t_animals.py', THREE),
    'reg': Row('+ L_reg', 'configs/toco/toco_deit-t_animals_reg.py'),
    'fsr_base': Row('FSR without L_unc and L_cer',
                    'configs/fsr/fsr_deit-t_animals_base.py'),
    'fsr_unc': Row('FSR, + L_unc', 'configs/fsr/fsr_deit-t_animals_unc.py'),
    'fsr_cer': Row('FSR, + L_cer', 'configs/fsr/fsr_deit-t_animals_cer.py'),
    'fsr': Row('FSR, + L_unc + L_cer', 'configs/fsr/fsr_deit-t_animals.py'),
    'seco': Row('SeCo', 'configs/seco/seco_deit-t_animals.py'),
    'afa': Row('AFA on the plain ViT', 'configs/afa/afa_deit-t_animals.py'),
    'sup': Row('fully supervised', 'configs/toco/sup_deit-t_animals.py', (0,), ()),
}  # fmt: skip
#: (row, row, output): is the first better than the second?
QUESTIONS = (
    ('toco', 'cam', 'cam'),
    ('ptc', 'aux', 'cam'),
    ('ctc', 'ptc', 'cam'),
    ('toco', 'ctc', 'cam'),
    ('reg', 'toco', 'seg'),
    ('fsr', 'toco', 'seg'),
    ('fsr', 'fsr_base', 'seg'),
    ('sup', 'toco', 'seg'),
)
Results = dict[str, dict[str, dict]]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    return rows_parser(__doc__, ROWS, 'animals').parse_args(argv)


def plan(args: argparse.Namespace) -> list[tuple[str, int]]:
    """What is to be trained; first seeds first: a whole table is there early."""
    pairs = [(row, seed) for row in args.rows for seed in args.seeds or ROWS[row].seeds]
    return sorted(pairs, key=lambda pair: pair[1])


def experiment(row: str, seed: int, args: argparse.Namespace) -> Experiment:
    """The training and tests of one row."""
    return Experiment(
        config=ROWS[row].config,
        work_dir=args.work_dir / row / f'seed_{seed}',
        root=ROOT,
        options=SINGLE_PROCESS,
        seed=seed,
        threads=args.threads,
        more_tests={name: MORE_TESTS[name] for name in ROWS[row].more_tests},
    )


def entry(result: dict) -> dict:
    """What the results file keeps of a run."""
    keys = ('config', 'train_cost', 'test_cost', 'metrics', 'tta', 'crf')
    return {key: result[key] for key in keys if key in result}


def areas_path(row: str, seed: str | int, out: Path) -> Path:
    """The counts of each photo of one run."""
    return out.parent / f'{out.stem}_areas' / f'{row}_{seed}.npz'


def score_table(results: Results) -> str:
    """The scores of all rows: mean ± standard deviation over the seeds."""
    titles = [*COLUMNS, 'training', 'photo', 'memory', 'seeds']
    return row_table('mIoU, val', titles, ROWS, results, cells)


def cells(runs: list[dict]) -> list[str]:
    """All columns of a row but the first."""
    minutes, memory = training_cells(runs)
    photo = max(run['test_cost']['seconds'] for run in runs) / PHOTOS
    costs = [minutes, f'{photo:.2f} s', memory]
    scores = [score_cells(runs, [key], test)[0] for test, key in COLUMNS.values()]
    return [*scores, *costs, str(len(runs))]


def class_rows(results: Results, out: Path) -> list[str]:
    """IoU of each class, seed 0: one line a row and output."""
    lines = []
    for name, row in ROWS.items():
        path = areas_path(name, 0, out)
        if '0' not in results.get(name, {}) or not path.is_file():
            continue
        _, areas = read_photo_areas(path)
        for output in ('cam', 'seg'):
            if output in areas:
                iou = scores_from_areas(ClassAreas(*areas[output].sum(0))).iou
                cells = ' | '.join(f'{100 * value:.1f}' for value in iou)
                lines.append(f'| {row.title} | {output} | {cells} |')
    return lines


def class_table(results: Results, out: Path) -> str:
    """IoU of each class, seed 0."""
    titles = ['seed 0', 'output', *CLASSES]
    head = ['| ' + ' | '.join(titles) + ' |', '|---|---|' + '---:|' * len(CLASSES)]
    return '\n'.join([*head, *class_rows(results, out)]) + '\n'


def difference_table(results: Results, out: Path) -> str:
    """Differences of two rows on the same photos, with their 95 % intervals."""
    lines = [
        '| first | second | output | seed | difference |',
        '|---|---|---|---:|---|',
    ]
    for first, second, output in QUESTIONS:
        seeds = sorted(set(results.get(first, {})) & set(results.get(second, {})))
        for seed in seeds:
            paths = [areas_path(row, seed, out) for row in (first, second)]
            if not all(path.is_file() for path in paths):
                continue
            (names, one), (others, two) = map(read_photo_areas, paths)
            if names != others or output not in one or output not in two:
                continue
            found = paired_difference(one[output], two[output])
            lines.append(
                f'| {ROWS[first].title} | {ROWS[second].title} | {output} | {seed} | '
                f'{found} |'
            )
    return '\n'.join(lines) + '\n'


def tables(results: Results, out: Path) -> str:
    """All three tables as Markdown."""
    return '\n'.join(
        (
            score_table(results),
            class_table(results, out),
            'Mean IoU of the first minus the second, 95 % interval of a paired '
            'bootstrap over the 200 photos:\n',
            difference_table(results, out),
        )
    )


def run(row: str, seed: int, args: argparse.Namespace) -> dict:
    """Train and test one row, keep the counts of its photos; its entry."""
    one = experiment(row, seed, args)
    result = run_experiment(one, progress(print_log, f'{row}, seed {seed}'))
    target = areas_path(row, seed, args.out)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(one.work_dir / 'test' / AREAS, target)
    return entry(result)


def main(argv: list[str] | None = None) -> None:
    """Run what is asked for, one row at a time."""
    args = parse_args(argv)
    args.work_dir, args.out = args.work_dir.resolve(), args.out.resolve()
    run_rows(
        plan(args),
        ROWS,
        args.out,
        lambda *pair: run(*pair, args),
        lambda results: tables(results, args.out),
    )


if __name__ == '__main__':
    main()
