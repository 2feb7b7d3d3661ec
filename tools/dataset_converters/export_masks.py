# Licensed under Apache-2.0.
"""Write a folder of predicted masks for a labelling tool: COCO or LabelMe.

::

    python tools/dataset_converters/export_masks.py MASKS --img-dir PHOTOS \\
        --classes cat dog --format coco --out masks.json
    python tools/dataset_converters/export_masks.py MASKS --img-dir PHOTOS \\
        --config CONFIG --format labelme --out DIR

MASKS holds PNGs of class ids (0 background, 1 to C, 255 ignored), as tools/test.py
--out, demo/image_demo.py and tools/generate_pseudo_labels.py write them, each named as
its photo. ``coco`` is one file, which CVAT and Label Studio import; ``labelme`` is one
file a photo. Polygons are what all of them read; ``--shape rle`` keeps every pixel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmwsss.cli.arguments import config_from, plain_errors
from mmwsss.datasets.label_channels import BACKGROUND, read_classes
from mmwsss.io.errors import UserError
from mmwsss.pipeline.inference import dataset_meta
from mmwsss.pipeline.mask_export.export_masks import FORMATS, say
from mmwsss.pipeline.mask_export.export_masks_cfg import SHAPES, ExportMasksCfg


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('masks', metavar='MASKS', type=Path, help='folder of masks')
    parser.add_argument(
        '--img-dir', type=Path, required=True, metavar='DIR', help='of their photos'
    )
    parser.add_argument('--format', choices=sorted(FORMATS), required=True)
    parser.add_argument(
        '--out', type=Path, required=True, help='.json file (coco) or folder (labelme)'
    )
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='of the ids 1, 2, ..., or a file of them, one a line (classes.txt)',
    )
    names.add_argument('--config', help='a config whose data set names the classes')
    parser.add_argument(
        '--shape', choices=SHAPES, default='polygon', help='of objects in COCO files'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=0.5,
        metavar='PIXELS',
        help='how far polygons may leave the edge for fewer corners; 0: not at all',
    )
    parser.add_argument(
        '--joined',
        action='store_true',
        help='one object a class and photo (LabelMe: one group of polygons); default: '
        'one for each connected region',
    )
    parser.add_argument(
        '--min-area',
        type=int,
        default=1,
        metavar='PIXELS',
        help='leave out smaller regions',
    )
    parser.add_argument('--workers', type=int, default=0, help='processes; 0: none')
    return parser.parse_args(argv)


def classes_of(args: argparse.Namespace) -> tuple[str, ...]:
    """Names of the ids 1..C.

    Raises:
        UserError: if the config doesn't say them.
    """
    if args.config is not None:
        names = dataset_meta(config_from(args.config)).get('classes')
        if not names:
            raise UserError(f'{args.config} names no classes: give --classes')
        return tuple(names[1:])
    if len(args.classes) == 1 and Path(args.classes[0]).is_file():
        return read_classes(args.classes[0])
    return tuple(name for name in args.classes if name != BACKGROUND)


def main(argv: list[str] | None = None) -> None:
    """Export, and say what has no place there."""
    args = parse_args(argv)
    cfg = ExportMasksCfg(
        classes_of(args), args.joined, args.min_area, args.tolerance, args.shape
    )
    write = FORMATS[args.format]
    counts = write(args.masks, args.img_dir, args.out, cfg, args.workers)
    say(counts, args.out, args.format)


if __name__ == '__main__':
    with plain_errors():
        main()
