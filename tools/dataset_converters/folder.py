# Licensed under Apache-2.0.
"""Turn pictures with labels of any known form into one checked folder.

::

    python tools/dataset_converters/folder.py PHOTOS --out data/mine
    python tools/dataset_converters/folder.py export.json --images photos \\
        --masks masks --out data/mine
    python tools/dataset_converters/folder.py train=train.json val=val.json \\
        --images train=train2017 val=val2017 --out data/mine

SOURCE is a folder with one folder a class (good/ and bad/ too), a label file (CSV,
text, JSON, Label Studio, CVAT, COCO, ...), or a folder that holds one, or folders
train, val and test of these: see docs/en/custom_dataset.md. OUT gets

    images/          links to the pictures (copies with --copy)
    masks/           where --masks is given: class ids, 0 background
    labels.csv       name,class,class; "background": no object
    classes.txt      one a line, in the order of their ids 1, 2, ...
    splits/          train.txt, and val.txt, test.txt where there are any
    picture.json     how the pictures are read, where they aren't 8-bit RGB

Splits that the source comes with are kept; else val and test are drawn, with the same
share of every class. Masks of 0 and 255 get the id of their picture's class. Run it
again to go on where it was stopped; other settings want another folder.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.cli.arguments import OptionsAction, add_picture, plain_errors
from mmwsss.datasets.own.chosen_splits import choose_splits
from mmwsss.datasets.own.drawn_masks import draw_masks, told_by_labels
from mmwsss.datasets.own.found_parts import find_parts, named_path
from mmwsss.datasets.own.gathered import MISSING, UNLABELLED, Gathered, gather
from mmwsss.datasets.own.given_splits import given_splits
from mmwsss.datasets.own.layout import finish
from mmwsss.datasets.own.mask_ids import find_masks, refuse_further_masks
from mmwsss.datasets.own.own_folder import OwnFolder, open_split, write_folder
from mmwsss.datasets.own.picture_facts import find_rule
from mmwsss.datasets.own.readable import without_unreadable
from mmwsss.datasets.readers.columns import named_columns
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import images_below
from mmwsss.io.wording import worded

#: share of the pictures that is drawn for validation where there are masks
VAL = 0.2
#: what settings of a data set are called here
OPTIONS = {
    'data_root': 'SOURCE',
    'allow_unlabelled=True': '--unlabelled empty',
    'missing': '--missing',
    'columns': '--columns',
    'rename': '--rename',
    'ann_file': 'SOURCE',
    'data_prefix.seg_map_path': '--masks',
    'data_prefix.img_path': '--images',
    'metainfo.classes': '--classes',
    'negatives': '--negatives',
    'picture': '--picture',
}
#: of --masks: drawn from the labels
COCO = 'coco'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source', nargs='+', help='folder or label file; or several, as train=PATH'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--images',
        nargs='+',
        default=[],
        metavar='DIR',
        help='where the pictures are; default: the class folders, or images/ beside '
        'the label file, or its own folder. DIR, or train=DIR val=DIR',
    )
    parser.add_argument(
        '--masks',
        metavar='DIR',
        help='masks, named as their pictures, only to measure; "coco": drawn from the '
        'polygons of a COCO file',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        default=[],
        metavar='NAME',
        help="in the order of the masks' ids, from 1 on; default: classes.txt of the "
        'source, else all labels in alphabetical order',
    )
    parser.add_argument(
        '--negatives',
        nargs='+',
        metavar='NAME',
        help='labels that mean "no object"; default: background, normal, good, '
        'negative, negatives, no_object',
    )
    parser.add_argument(
        '--unlabelled',
        choices=UNLABELLED,
        default='refuse',
        help='pictures of which nothing says what they hold; empty: no object',
    )
    parser.add_argument(
        '--columns',
        nargs='+',
        default=[],
        metavar='image=NAME label=NAME',
        help='columns (CSV) or keys (JSON) that hold pictures and labels, where they '
        'are called otherwise than docs/en/data.md lists; label may come several times',
    )
    parser.add_argument(
        '--missing',
        choices=MISSING,
        default='refuse',
        help='pictures that the labels name and that are not there',
    )
    parser.add_argument(
        '--rename',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='OLD=NEW',
        help='other names of labels; two of one name become one class',
    )
    parser.add_argument(
        '--val',
        type=float,
        metavar='SHARE',
        help=f'of the pictures, to choose by; default {VAL} with --masks, else 0',
    )
    parser.add_argument(
        '--test', type=float, default=0.0, metavar='SHARE', help='to report; default 0'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the splits')
    parser.add_argument(
        '--resplit', action='store_true', help='draw splits though some are given'
    )
    parser.add_argument(
        '--copy', action='store_true', help='copy the pictures instead of linking them'
    )
    add_picture(parser)
    return parser.parse_args(argv)


def image_folders(texts: Sequence[str]) -> dict[str | None, str]:
    """``--images`` by split."""
    return dict(named_path(text) for text in texts)


def masks_of(folder: str | None, data: Gathered) -> dict[str, str]:
    """Path of the mask of each picture that has one; says what belongs to none."""
    if folder is None:
        return {}
    names = {name: (found.own_name,) for name, found in data.pictures.items()}
    masks = find_masks(folder, names)
    known = {os.path.realpath(path) for path in masks.values()}
    known |= {os.path.realpath(found.path) for found in data.pictures.values()}
    rest = [p for p in images_below(folder) if os.path.realpath(p) not in known]
    refuse_further_masks(rest, masks.values(), names)
    if rest:
        say(
            f'{len(rest)} files of {folder} are masks of no picture, first {rest[0]}',
            logging.WARNING,
        )
    return masks


def say(text: str, level: int = logging.INFO) -> None:
    """A line of the log."""
    print_log(text, level=level)


def refuse_out_inside(out: Path, sources: Sequence[str]) -> None:
    """Refuse a folder within one whose folders are classes: it would be one of them.

    Raises:
        UserError: if it is.
    """
    for source in sources:
        place = named_path(source)[1]
        if os.path.isdir(place) and Path(place).resolve() in out.resolve().parents:
            raise UserError(
                f'--out {out} lies in {place}, whose folders are read as classes: give '
                'a folder beside it'
            )


def shares_of(args: argparse.Namespace, masks: dict) -> dict[str, float]:
    """The share of the pictures of each split that is drawn."""
    return dict(
        val=args.val if args.val is not None else VAL * bool(masks), test=args.test
    )


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What makes another folder of the same pictures, as plain data."""
    paths = [*args.source, *args.images]
    masks = args.masks
    return dict(
        masks=masks if masks in (None, COCO) else os.path.abspath(masks),
        paths=[os.path.abspath(named_path(text)[1]) for text in paths],
        **{name: getattr(args, name) for name in ('classes', 'negatives', 'rename')},
        **{name: getattr(args, name) for name in ('unlabelled', 'missing', 'columns')},
        **{name: getattr(args, name) for name in ('val', 'test', 'seed', 'resplit')},
        **dict(copy=args.copy, picture=dict(args.picture)),
    )


def report(folder: OwnFolder, out: Path) -> None:
    """Open what was written, and say what it holds."""
    for split in folder.splits:
        masks = bool(folder.masks) and split != 'train'
        summary = open_split(out, split, folder.picture, masks).summary()
        say(f'{split}: {summary.table() if split == "train" else summary.headline()}')
        for text in summary.warnings() if split == 'train' else ():
            say(text, logging.WARNING)
    for text in folder.data.remarks:
        say(text, logging.WARNING)
    if folder.picture:
        say(f'pictures are read by {dict(folder.picture)}')
    if folder.masks:
        say(
            f'{len(folder.masks)} masks, {len(folder.blank)} of pictures without object'
        )


@worded(OPTIONS)
def main(argv: list[str] | None = None) -> None:
    """Read, plan, write, check."""
    args = parse_args(argv)
    refuse_out_inside(args.out, args.source)
    parts = find_parts(args.source, image_folders(args.images))
    masked = [args.masks] if args.masks not in (None, COCO) else []
    gathered = gather(
        parts,
        args.classes,
        args.negatives,
        args.unlabelled,
        [*masked, str(args.out)],
        args.missing,
        args.rename,
        named_columns(args.columns),
    )
    data = without_unreadable(gathered)
    listed = (
        None
        if args.resplit
        else given_splits(parts, gathered.pictures, gathered.left_out)
    )
    with tempfile.TemporaryDirectory() as drawn:
        draws = args.masks == COCO
        masks = draw_masks(parts, data, drawn) if draws else masks_of(args.masks, data)
        folder = OwnFolder(
            data,
            choose_splits(
                listed, data.pictures, masks, shares_of(args, masks), args.seed
            ),
            masks,
            find_rule([found.path for found in data.pictures.values()], args.picture),
            settings_of(args),
            args.copy,
            draws,
        )
        read = [path for part in parts for path in (part.labels, part.images)]
        with told_by_labels(drawn, parts):
            write_folder(folder, args.out, [*read, *masked])
    report(folder, args.out)
    finish(args.out, folder.settings)
    say(
        f'{args.out} is ready: python tools/misc/new_config.py --data '
        f'{shlex.quote(str(args.out))}'
    )


if __name__ == '__main__':
    with plain_errors():
        main()
