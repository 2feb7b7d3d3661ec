# Licensed under Apache-2.0.
"""A page to look at a run, or at two beside each other: one HTML file.

::

    python tools/analysis_tools/report.py work_dirs/toco_vit-t_shapes
    python tools/analysis_tools/report.py work_dirs/toco work_dirs/cam --out both.html

WORK_DIR is that of tools/train.py, tools/test.py or tools/run_pipeline.py. The page has
what was trained on what, curves, scores, IoU of each class, which class is taken for
which, thresholds, the best, median, worst and least confident pictures, which classes
come together, config and environment. The network is run on test pictures for it
(--pictures); without masks it shows where the network is sure and unsure.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.output_folder import claim_file
from mmwsss.pipeline.report.make_report import (
    ReportSettings,
    check_folder,
    gather_report,
)
from mmwsss.pipeline.report.report_page import page

NAME = 'report.html'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', type=Path, metavar='WORK_DIR')
    parser.add_argument(
        'other', type=Path, nargs='?', metavar='OTHER_WORK_DIR', help='to compare with'
    )
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help=f'default: WORK_DIR/{NAME}'
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=ReportSettings.pictures,
        metavar='N',
        help='run the network on N pictures of the test set at most, drawn with a '
        f'fixed seed; 0: on none; default {ReportSettings.pictures}',
    )
    parser.add_argument(
        '--shown',
        type=int,
        default=ReportSettings.shown,
        metavar='N',
        help=f'pictures of each group; default {ReportSettings.shown}',
    )
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help='of WORK_DIR, which is no pipeline; default: the last one',
    )
    parser.add_argument('--device', default='cpu')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> Path:
    """Write the page; gives its file."""
    args = parse_args(argv)
    folders = [folder for folder in (args.work_dir, args.other) if folder is not None]
    settings = ReportSettings(args.pictures, args.shown, args.device, args.checkpoint)
    for folder in folders:
        check_folder(folder)
    out = claim_file(args.out or args.work_dir / NAME, folders)
    report = gather_report(folders, settings)
    write_atomic(page(report).encode(), out)
    for block in report.blocks:
        for note in block.notes:
            print_log(f'{block.title}: {note}' if block.title else note)
    print_log(f'{out}: {out.stat().st_size / 1e6:.1f} MB, open it in a browser')
    return out


if __name__ == '__main__':
    with plain_errors():
        main()
