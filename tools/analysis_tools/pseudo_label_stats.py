# Licensed under Apache-2.0.
"""What pseudo masks hold by class: pixels, ignored ones, lost and foreign classes.

::

    python tools/analysis_tools/pseudo_label_stats.py DIR
    python tools/analysis_tools/pseudo_label_stats.py DIR --labels splits/train.txt \\
        --out stats.json
    python tools/analysis_tools/pseudo_label_stats.py DIR --labels splits/train.txt \\
        --sheet sheet.png --img-dir JPEGImages --count 12

DIR is a folder of tools/generate_pseudo_labels.py or one of masks (NAME.png). A class
is lost where the image label names it and the mask lacks it, foreign the other way
round.
No pixel label is read.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.io.atomic_file import write_json
from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import IMAGE_SUFFIXES, FileFinder
from mmwsss.io.output_folder import claim_file, write_drawing
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.pipeline.evaluate.eval_tasks import classes_of, maps_in, names_in
from mmwsss.pipeline.evaluate.folder_stats import (
    contact_sheet,
    folder_stats,
    label_ids,
    stats_dict,
    stats_table,
)
from mmwsss.pipeline.manifest import read_manifest


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('masks', metavar='DIR', help='folder of the masks')
    parser.add_argument(
        '--labels',
        metavar='FILE',
        help='image labels, in any form that docs/en/data.md lists',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='background first; default: those of the manifest of DIR',
    )
    parser.add_argument('--out', metavar='FILE', help='write the numbers as JSON')
    parser.add_argument(
        '--sheet',
        metavar='FILE',
        help='draw image, CAM (if DIR has '
        'any) and mask of some images; needs --img-dir',
    )
    parser.add_argument('--img-dir', metavar='DIR', help='folder of the images')
    parser.add_argument(
        '--count',
        type=int,
        default=12,
        help='images of the sheet, spread over all; default 12',
    )
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='processes'
    )
    add_picture(parser)
    args = parser.parse_args(argv)
    if args.sheet and not args.img_dir:
        parser.error('--sheet needs the pictures: give --img-dir')
    return args


def draw_sheet(
    args: argparse.Namespace,
    folder: Path,
    names: list[str],
    classes: list[str],
    labels: dict | None,
) -> None:
    """Write the contact sheet."""
    finder = FileFinder(args.img_dir, True)
    pictures = {
        name: finder.find(name, IMAGE_SUFFIXES) for name in spread(names, args.count)
    }
    if finder.missing:
        raise DataError(finder.missing[0], 'is missing', 'correct --img-dir')
    cams = Path(args.masks) / 'cam'
    palette = (read_manifest(args.masks) or {}).get('palette')
    sheet = contact_sheet(
        folder,
        cams if cams.is_dir() else None,
        pictures,
        classes,
        palette,
        labels,
        PictureRule.of(args.picture),
    )
    write_drawing(Image.fromarray(sheet), args.sheet)


def main(argv: list[str] | None = None) -> dict:
    """Count as the command line says; gives what ``--out`` holds."""
    args = parse_args(argv)
    folder, _ = maps_in(args.masks, 'mask')
    classes = args.classes or classes_of(folder)
    if classes is None:
        raise ValueError(f'{folder} has no manifest that names classes: give --classes')
    read = [folder, *filter(None, (args.labels, args.img_dir))]
    if args.out:
        claim_file(args.out, read, keys=('masks', 'classes'))
    if args.sheet:
        claim_file(args.sheet, read, '--sheet')
    labels = label_ids(args.labels, classes) if args.labels else None
    names = names_in(folder, 'mask')
    stats = folder_stats(folder, names, len(classes), labels, args.workers)
    print_log(f'\n{stats_table(stats, classes)}')
    found = stats_dict(stats, classes)
    if args.out:
        write_json(found, args.out)
    if args.sheet:
        draw_sheet(args, folder, names, classes, labels)
    return found


if __name__ == '__main__':
    with plain_errors(ValueError, RuntimeError):
        main()
