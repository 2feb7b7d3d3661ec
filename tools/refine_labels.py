# Licensed under Apache-2.0.
"""Refine score maps on disk with their images into label PNGs.

::

    python tools/refine_labels.py IMAGES SCORES OUT --refine crf --workers 8
    python tools/refine_labels.py IMAGES CAMS OUT --kind cam --bkg-thr 0.25 0.7 \\
        --refine par --device cuda
    python tools/refine_labels.py IMAGES LABELS OUT --kind label --preset irn
    python tools/refine_labels.py IMAGES LABELS OUT --kind label --segments SEGMENTS \\
        --labeler "dict(type='SegmentMerge', bkg_thr=0.5)"

SCORES holds one file an image, NAME.npy or NAME.npz (probabilities or CAMs, (n, H, W)
at the size of the image) or NAME.png (hard labels); docs/en/refine.md describes them.
Labels that are there are kept: run it again to resume, with --overwrite to begin anew.
A file that fails doesn't stop the others: the failures are listed at the end, and the
exit code is 1.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.readers.reading import read_names
from mmwsss.io.score_files import KINDS
from mmwsss.labelers.refiners.refiner import refiner_names
from mmwsss.ops import DENSE_CRF_PRESETS
from mmwsss.pipeline.label_options import read_labeler, read_segments_entry
from mmwsss.pipeline.refine.refine_cfg import RefineCfg
from mmwsss.pipeline.refine.refine_folder import refine_folder

PALETTES = dict(voc=None, coco=COCO14WeakDataset.METAINFO['palette'])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('images', type=Path, help='folder of JPEG or PNG images')
    parser.add_argument('scores', type=Path, help='folder of the maps')
    parser.add_argument('out', type=Path, help='folder of the labels')
    parser.add_argument('--refine', choices=refiner_names(), default='crf')
    parser.add_argument(
        '--preset',
        choices=sorted(DENSE_CRF_PRESETS),
        help='settings of the CRF; '
        'default: toco_seg for probabilities, toco_cam for CAMs, irn for labels',
    )
    parser.add_argument(
        '--kind',
        choices=KINDS,
        default='prob',
        help='what the maps are: '
        'probabilities of all classes, CAMs of foreground classes, hard labels',
    )
    parser.add_argument(
        '--unary',
        choices=('prob', 'labels'),
        help='of the CRF: the maps, or only the '
        'strongest class of a pixel with confidence 0.7 (default for labels)',
    )
    parser.add_argument(
        '--bkg-thr',
        type=float,
        nargs='+',
        default=(),
        metavar='T',
        help='background '
        'of CAMs: one constant, or a low and a high one with 255 between them',
    )
    parser.add_argument(
        '--alpha', type=float, help='background of CAMs: (1 - max CAM)^ALPHA instead'
    )
    parser.add_argument(
        '--labeler',
        metavar='CFG',
        help='how labels are made in full: "dict(type=...)" of a registered '
        'labeler, its name, or a .py file with labeler=...; takes the place of the '
        'options above',
    )
    parser.add_argument(
        '--segments',
        metavar='DIR',
        help='segments that a labeler votes over, one file an image; or "dict(dir=..., '
        'overlap=...)" with settings of how they are read',
    )
    parser.add_argument(
        '--num-classes',
        type=int,
        help='of hard labels, background included; default: as many as an image holds',
    )
    parser.add_argument(
        '--list', metavar='FILE', help='names to refine, one a line; default: all'
    )
    parser.add_argument(
        '--partial',
        metavar='DIR',
        help='PNGs of pixels whose class is known, 255 elsewhere, for some of the '
        'images: these stay as they are',
    )
    add_picture(parser)
    parser.add_argument('--palette', choices=sorted(PALETTES), default='voc')
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes on a CPU, threads that read and write on a GPU',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1, ...')
    parser.add_argument(
        '--batch-size', type=int, help='images of one size at once; default 8 on a GPU'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='write labels again that are there'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Refine as the command line says; gives the exit code."""
    args = parse_args(argv)
    cfg = RefineCfg(
        args.refine,
        args.preset,
        args.kind,
        args.unary,
        tuple(args.bkg_thr),
        alpha=args.alpha,
        num_classes=args.num_classes,
        labeler=args.labeler and read_labeler(args.labeler),
        side_inputs=args.segments and dict(segments=read_segments_entry(args.segments)),
        picture=args.picture,
        palette=PALETTES[args.palette],
    )
    report = refine_folder(
        args.images,
        args.scores,
        args.out,
        cfg,
        names=args.list and read_names(args.list),
        partial_labels=args.partial,
        workers=args.workers,
        device=args.device,
        batch_size=args.batch_size,
        overwrite=args.overwrite,
    )
    print_log(
        f'\n{report.written} labels written to {args.out}, {report.skipped} were '
        f'there, {len(report.failed)} failed'
    )
    if report.skipped:
        print_log(
            'Labels that were there keep the settings they were made with; '
            '--overwrite makes them anew'
        )
    for message in report.failed.values():
        print_log(message, level=logging.ERROR)
    return 1 if report.failed else 0


if __name__ == '__main__':
    with plain_errors(ValueError, RuntimeError):
        raise SystemExit(main())
