# Licensed under Apache-2.0.
"""Draw the Shapes benchmark to disk, in VOC layout.

    python tools/dataset_converters/shapes.py --out data/shapes

writes ``JPEGImages/*.jpg``, ``SegmentationClass/*.png`` (palette),
``Saliency/*.png`` (noisy saliency maps, for methods that read such),
``splits/{train,val,test}.txt`` (lines ``name class [class ...]``) and
``classes.txt``. Pictures depend on the seed and their number alone, so a
larger training split keeps the pictures of a smaller one. The run can be
stopped at any time: finished files are kept and skipped the next time; a folder
of an earlier version gets what it lacks.

    python tools/dataset_converters/shapes.py --out data/shapes --rare grid

writes ``splits/train_rare_grid.txt`` beside: those pictures of ``train`` with which one
class is rare, 1 to 50 of the most frequent one. Nothing else changes.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from mmengine.utils import track_parallel_progress, track_progress
from PIL import Image

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.shapes.drawn_saliency import draw_saliency
from mmwsss.datasets.shapes.rare_list import rare_lines
from mmwsss.datasets.shapes.scenes import (
    SHAPES_CLASSES,
    SHAPES_PALETTE,
    ShapesStyle,
    draw_scene,
)
from mmwsss.io.atomic_file import write_atomic, write_json, write_picture
from mmwsss.io.label_png import save_label_png
from mmwsss.visualization.panels import Tile, compose_panel

# Splits never share a picture number, whatever their sizes.
FIRST_INDEX = {'train': 0, 'val': 1_000_000, 'test': 2_000_000}
RECORD = 'shapes.json'


class Picture(NamedTuple):
    """What one worker needs to draw one picture."""

    root: str
    name: str
    seed: int
    index: int
    size: int


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('data/shapes'))
    parser.add_argument('--train', type=int, default=2000, help='pictures')
    parser.add_argument('--val', type=int, default=300, help='pictures')
    parser.add_argument('--test', type=int, default=300, help='pictures')
    parser.add_argument('--size', type=int, default=96, help='side in pixels')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--rare',
        choices=SHAPES_CLASSES[1:],
        metavar='CLASS',
        help='also list training pictures with which this class is rare, 1 : 50',
    )
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--preview', type=Path, help='also write a contact sheet')
    return parser.parse_args(argv)


def draw_picture(picture: Picture) -> str:
    """Draw one picture unless it is there; return its line of the split file."""
    root = Path(picture.root)
    image_path = root / 'JPEGImages' / f'{picture.name}.jpg'
    mask_path = root / 'SegmentationClass' / f'{picture.name}.png'
    sal_path = root / 'Saliency' / f'{picture.name}.png'
    if image_path.exists() and mask_path.exists() and sal_path.exists():
        present = np.unique(np.asarray(Image.open(mask_path)))
        labels = [int(c) for c in present if c not in (0, 255)]
    else:
        scene = draw_scene(picture.seed, picture.index, picture.size)
        if not mask_path.exists():
            save_label_png(scene.mask, mask_path, SHAPES_PALETTE)
        if not sal_path.exists():
            saliency = draw_saliency(scene, picture.seed, picture.index)
            write_picture(Image.fromarray(saliency), sal_path)
        if not image_path.exists():
            scene_picture = Image.fromarray(scene.image)
            write_picture(scene_picture, image_path, quality=95, subsampling=0)
        labels = list(scene.labels)
    return ' '.join([picture.name, *(SHAPES_CLASSES[c] for c in labels)])


def check_record(out: Path, seed: int, size: int) -> None:
    """Refuse to mix pictures of two seeds, sizes or styles in one folder.

    Raises:
        FileExistsError: if ``out`` was drawn with other settings.
    """
    style = asdict(ShapesStyle())
    record = json.loads(json.dumps(dict(seed=seed, size=size, style=style)))
    path = out / RECORD
    if path.exists():
        found = json.loads(path.read_text())
        if found != record:
            raise FileExistsError(
                f'{out} was drawn with other settings ({path} differs from what '
                'was asked for); choose another --out or delete the folder'
            )
    write_json(record, path)


def draw_split(out: Path, split: str, count: int, args: argparse.Namespace) -> None:
    """Draw ``count`` pictures of a split and write its list."""
    pictures = [
        Picture(str(out), f'{split}_{i:05d}', args.seed, FIRST_INDEX[split] + i,
                args.size)
        for i in range(count)
    ]  # fmt: skip
    if args.jobs > 1 and count > 1:
        lines = track_parallel_progress(
            draw_picture, pictures, args.jobs, chunksize=16, keep_order=True
        )
    else:
        lines = track_progress(draw_picture, pictures)
    text = ''.join(f'{line}\n' for line in lines)
    write_atomic(text.encode(), out / 'splits' / f'{split}.txt')


def write_rare_list(out: Path, rare: str) -> str:
    """Write the list in which a class is rare; gives the name of the split."""
    split = f'train_rare_{rare}'
    lines = (out / 'splits' / 'train.txt').read_text().splitlines()
    text = ''.join(f'{line}\n' for line in rare_lines(lines, rare))
    write_atomic(text.encode(), out / 'splits' / f'{split}.txt')
    return split


def contact_sheet(seed: int, size: int, columns: int = 8, rows: int = 4) -> Image.Image:
    """Pictures above their masks; the discriminative parts are drawn lighter."""
    palette = np.array(SHAPES_PALETTE, np.uint8)
    strips = []
    for row in range(rows):
        scenes = [
            draw_scene(seed, row * columns + column, size) for column in range(columns)
        ]
        strips.append([Tile('pictures', np.hstack([scene.image for scene in scenes]))])
        masks, ids = [], frozenset[int]()
        for scene in scenes:
            coloured = palette[scene.mask]
            coloured[scene.part] = 255 - (255 - coloured[scene.part]) // 2
            masks.append(coloured)
            ids |= frozenset(np.unique(scene.mask).tolist())
        title = 'masks; lighter: the part that tells the class'
        strips.append([Tile(title, np.hstack(masks), ids)])
    return Image.fromarray(compose_panel(strips, SHAPES_CLASSES, SHAPES_PALETTE))


def main(argv: list[str] | None = None) -> None:
    """Draw the data set."""
    args = parse_args(argv)
    for name in ('JPEGImages', 'SegmentationClass', 'Saliency', 'splits'):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    check_record(args.out, args.seed, args.size)
    classes = '\n'.join(SHAPES_CLASSES) + '\n'
    write_atomic(classes.encode(), args.out / 'classes.txt')
    for split in FIRST_INDEX:
        print_log(f'{split}: {getattr(args, split)} pictures')
        draw_split(args.out, split, getattr(args, split), args)
    if args.rare:
        print_log(f'{write_rare_list(args.out, args.rare)}: {args.rare} is rare')
    if args.preview:
        sheet = contact_sheet(args.seed, args.size)
        write_picture(sheet, args.preview)
        print_log(f'preview: {args.preview}')
    print_log(f'Shapes is in {args.out}')


if __name__ == '__main__':
    with plain_errors():
        main()
