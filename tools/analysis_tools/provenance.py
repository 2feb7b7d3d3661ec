# Licensed under Apache-2.0.
"""Where weights or labels come from: code, settings, data, and the weights before.

::

    python tools/analysis_tools/provenance.py work_dirs/RUN/iter_2000.pth
    python tools/analysis_tools/provenance.py LABELS [--out FILE.json]

prints what a checkpoint, a published file or a folder of generated labels says of
itself, and below it what its parents say. Of the folder of a training it is the last
checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_json
from mmwsss.io.checkpoint import load_checkpoint_file, use_safe_checkpoints
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_file
from mmwsss.io.provenance import record_in, record_of_folder
from mmwsss.io.provenance_text import provenance_lines

LAST = 'last_checkpoint'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('path', type=Path, help='checkpoint, or folder')
    parser.add_argument('--out', type=Path, help='write all of it, as JSON')
    parser.add_argument(
        '--allow-pickle', action='store_true', help='unpickle a file that you trust'
    )
    return parser.parse_args(argv)


def find_record(path: Path) -> tuple[Path, dict[str, Any]]:
    """The record of a checkpoint or folder, and what holds it.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        UserError: if it says nothing of where it comes from.
    """
    place, record = path, None
    if (path / LAST).is_file():
        place = path / Path((path / LAST).read_text().strip()).name
    if place.is_dir():
        record = record_of_folder(place)
    else:
        record = record_in(load_checkpoint_file(str(place), 'cpu'))
    if record is None:
        raise UserError(
            f'{place} says nothing of where it comes from: it was made by mmwsss '
            'before 0.1.0, or by another program'
        )
    return place, record


def main(argv: list[str] | None = None) -> None:
    """Find and print."""
    args = parse_args(argv)
    use_safe_checkpoints(args.allow_pickle)
    place, record = find_record(args.path)
    if args.out is not None:
        claim_file(args.out, [str(args.path)], keys=('code', 'config', 'data'))
        write_json(record, args.out)
    print_log('\n'.join([str(place), *provenance_lines(record, 2)]))


if __name__ == '__main__':
    with plain_errors():
        main()
