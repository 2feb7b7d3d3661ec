# Licensed under Apache-2.0.
"""The whole thing in minutes, on a CPU, without a download: ``make demo``.

    python demo/run_demo.py

draws the Shapes data set, trains a plain CAM, ToCo and the fully supervised
upper bound with the same tiny ViT, tests them and shows a table and a picture. It ends
with real photos, once the zoo has a network for them. What is there already is not done
again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import photos_picture
from mmengine.logging import print_log
from PIL import Image

from mmwsss.apis.compare import comparison_panel
from mmwsss.io.metafiles import published
from mmwsss.pipeline.experiment import (
    COLUMNS,
    SINGLE_PROCESS,
    Experiment,
    run_experiment,
)
from mmwsss.pipeline.inference import init_model
from mmwsss.pipeline.stage_process import progress

ROOT = Path(__file__).resolve().parents[1]
RUNS = {
    'plain CAM': 'configs/cam/cam_vit-t_shapes.py',
    'ToCo': 'configs/toco/toco_vit-t_shapes.py',
    'fully supervised': 'configs/toco/sup_vit-t_shapes.py',
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=ROOT / 'data/shapes')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/demo')
    parser.add_argument('--threads', type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument('--num-images', type=int, default=4, help='in the picture')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='more options for every training, to try things',
    )
    return parser.parse_args(argv)


def draw_data(folder: Path) -> None:
    """Draw Shapes unless its last file is there."""
    if (folder / 'splits/test.txt').exists():
        print_log(f'data: {folder} is there')
        return
    print_log(f'data: drawing Shapes to {folder} (about a minute)')
    command = ['tools/dataset_converters/shapes.py', '--out', str(folder)]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)


def experiments(args: argparse.Namespace) -> dict[str, Experiment]:
    """The three runs; the keys are the titles of the table."""
    roots = [
        f'{loader}_dataloader.dataset.data_root={args.data}'
        for loader in ('train', 'val', 'test')
    ]
    return {
        name: Experiment(
            config=config, work_dir=args.work_dir / Path(config).stem, root=ROOT,
            options=(*SINGLE_PROCESS, *roots, *args.cfg_options),
            threads=args.threads)
        for name, config in RUNS.items()
    }  # fmt: skip


def table(results: dict[str, dict]) -> str:
    """The numbers of all runs, on the test split."""
    lines = [
        '| mIoU, test split | ' + ' | '.join(COLUMNS) + ' |',
        '| :--------------- |' + ' ------: |' * len(COLUMNS),
    ]
    for name, result in results.items():
        values = [result['metrics'].get(key) for key in COLUMNS.values()]
        cells = ['–' if value is None else f'{value:.1f}' for value in values]
        lines.append(f'| {name:16} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def verdict(results: dict[str, dict]) -> str:
    """The two numbers that matter, in words."""
    seg = results['ToCo']['metrics']['seg_mIoU']
    cam = results['plain CAM']['metrics']['cam_mIoU']
    bound = results['fully supervised']['metrics']['seg_mIoU']
    return (
        'CAMs and refined labels are masked by the image labels and scored where '
        'they label; segmentations see the picture alone.\n'
        f"ToCo's segmentation is {seg - cam:+.1f} points from the baseline's CAM "
        f'and reaches {100 * seg / bound:.0f} % of the fully supervised network.'
    )


def panel(results: dict[str, dict], args: argparse.Namespace) -> Path:
    """Test pictures, the plain CAM above ToCo; returns the file."""
    models = {
        name: init_model(ROOT / RUNS[name], results[name]['checkpoint'])
        for name in ('plain CAM', 'ToCo')
    }
    picture = comparison_panel(models, args.data, args.num_images)
    path = args.work_dir / 'demo.png'
    Image.fromarray(picture).save(path)
    return path


def main(argv: list[str] | None = None) -> None:
    """Draw, train, test, show."""
    args = parse_args(argv)
    args.data, args.work_dir = args.data.resolve(), args.work_dir.resolve()
    start = time.time()
    draw_data(args.data)
    results = {}
    for name, experiment in experiments(args).items():
        known = experiment.stored_result()
        print_log(
            f'{name}: '
            + ('finished earlier, read from ' if known else 'training, logs in ')
            + str(experiment.work_dir)
        )
        results[name] = run_experiment(experiment, progress(print_log, name))
    print_log('\n\n' + table(results) + '\n\n' + verdict(results))
    print_log(f'picture: {panel(results, args)}')
    if set(photos_picture.MODELS) <= set(published(ROOT)):
        photos_picture.main(['--out', str(args.work_dir / 'photos.png')])
    print_log(f'{(time.time() - start) / 60:.1f} minutes')


if __name__ == '__main__':
    main()
