# Licensed under Apache-2.0.
"""Check all files of a data set before training: a report with pictures.

::

    python tools/analysis_tools/check_dataset.py configs/toco/toco_deit-b_folder.py
    python tools/analysis_tools/check_dataset.py data/mine --split val --out report

SOURCE is a config, or a folder with labels and pictures (docs/en/data.md). Every
picture, mask and side input is read whole; masks are held against image labels and
classes, files against each other. OUT gets report.md, SPLIT_samples.png (a row for
each class) and odd.png. The exit code is 1 if anything is refused.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.inputs_read import inputs_read
from mmwsss.io.output_folder import claim_outputs, write_drawing
from mmwsss.pipeline.data_check.check_data import check_data, open_splits, split_cfgs
from mmwsss.pipeline.data_check.check_line import CheckLine, say_lines
from mmwsss.pipeline.data_check.check_report import ODD, REPORT, SAMPLES, report
from mmwsss.pipeline.data_check.check_sheets import odd_sheet, samples_sheet
from mmwsss.pipeline.data_check.split_check import SplitCheck


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', metavar='SOURCE', help='config, or folder of data')
    parser.add_argument(
        '--split', nargs='+', help='train, val, test; default: all that there are'
    )
    parser.add_argument('--out', type=Path, default=Path('data_check'), metavar='DIR')
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='processes'
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def chosen_cfgs(args: argparse.Namespace) -> dict:
    """Configs of the data sets that are checked, by split.

    Raises:
        UserError: if a split isn't there.
    """
    folder = os.path.isdir(args.config)
    cfgs = split_cfgs(args.config if folder else merged_config(args))
    for split in args.split or ():
        if split not in cfgs:
            raise UserError(
                f'{args.config} has no split {split!r} of its own, only {list(cfgs)}'
            )
    return {split: cfgs[split] for split in args.split or cfgs}


def write_report(
    source: str, out: Path, splits: list[SplitCheck], lines: list[CheckLine]
) -> None:
    """Write report and sheets."""
    sheets = {f'{s.name}_{SAMPLES}': samples_sheet(s) for s in splits}
    sheets[ODD] = odd_sheet(splits)
    drawn = {name: sheet for name, sheet in sheets.items() if sheet is not None}
    for name, sheet in drawn.items():
        write_drawing(Image.fromarray(sheet), out / name)
    text = report(source, splits, lines, list(drawn))
    write_atomic(text.encode(), out / REPORT)


def main(argv: list[str] | None = None) -> None:
    """Check, write the report, say what was found.

    Raises:
        SystemExit: with 1 if something is refused.
    """
    args = parse_args(argv)
    datasets, closed = open_splits(chosen_cfgs(args))
    outputs = [REPORT, ODD, *(f'{name}_{SAMPLES}' for name in datasets)]
    read = [path for dataset in datasets.values() for path in inputs_read(dataset)]
    claim_outputs(args.out, [(name, args.config) for name in outputs], read)
    splits, found = check_data(datasets, args.workers)
    lines = sorted([*closed, *found], key=lambda line: not line.refused)
    write_report(args.config, args.out, splits, lines)
    for split in splits:
        print_log(f'{split.name}: {split.dataset.summary(look=False).table()}')
    if say_lines(lines, args.out / REPORT):
        raise SystemExit(1)


if __name__ == '__main__':
    with plain_errors():
        main()
