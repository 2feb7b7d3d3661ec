# Licensed under Apache-2.0.
"""Suggest thresholds for the CAMs of a network, from image labels alone.

::

    python tools/analysis_tools/suggest_thresholds.py CONFIG CHECKPOINT
    python tools/analysis_tools/suggest_thresholds.py CONFIG CHECKPOINT --split val \\
        --limit 100 --oracle

looks at the CAMs of training images (or those of --split), prints what each class
reaches where it is and where it is not, background, low and high threshold, and the
--cfg-options that set them. No mask is read, but with --oracle, which judges the
suggestion, and what the config says now, on the truth. A picture that can't be read is
left out and named at the end; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import logging
import sys

from mmengine.logging import print_log

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.io.atomic_file import write_json
from mmwsss.io.errors import UserError
from mmwsss.io.inputs_read import folders_of
from mmwsss.io.output_folder import claim_file
from mmwsss.pipeline.inference import class_names, init_model
from mmwsss.pipeline.photos import photos_of_split, say_left_out
from mmwsss.pipeline.suggest.suggest_thresholds import look_at_maps
from mmwsss.pipeline.suggest.threshold_options import options_of, thresholds_set
from mmwsss.pipeline.suggest.threshold_report import report_of


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument(
        '--split', help="of the data set; default: the config's training images"
    )
    parser.add_argument(
        '--limit',
        type=int,
        default=200,
        metavar='N',
        help='pictures that are looked at, drawn with a fixed seed; default 200',
    )
    parser.add_argument(
        '--oracle', action='store_true', help='read masks, to judge the thresholds'
    )
    parser.add_argument('--out', metavar='FILE', help='write all figures as JSON')
    parser.add_argument('--device', default='cpu')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.limit < 1:
        raise UserError(f'--limit must be 1 picture or more, got {args.limit}')
    return args


def main(argv: list[str] | None = None) -> int:
    """Look, suggest, judge if asked to; gives the exit code."""
    args = parse_args(argv)
    cfg = merged_config(args)
    photos = photos_of_split(cfg, args.split, args.oracle, args.limit)
    if args.out:
        infos = [photo.info for photo in photos]
        read = [args.config, args.checkpoint, *folders_of(infos)]
        claim_file(args.out, read, keys=('suggested', 'classes'))
    model = init_model(cfg, args.checkpoint, args.device)
    seen = look_at_maps(model, photos, args.oracle)
    report = report_of(seen, class_names(model)[1:], thresholds_set(cfg))
    for line in report.lines:
        print_log(line)
    for remark in report.remarks:
        print_log(remark, level=logging.WARNING)
    print_log('--cfg-options ' + ' '.join(options_of(cfg, seen.statistics.hint())))
    if args.out:
        write_json(report.numbers, args.out)
    return say_left_out(seen.failed, len(photos))


if __name__ == '__main__':
    with plain_errors():
        sys.exit(main())
