# Licensed under Apache-2.0.
"""What the tools that look at a ViT's blocks print and write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmwsss.io.output_folder import claim_file


def add_block_arguments(parser: argparse.ArgumentParser, start: str) -> None:
    """Config, checkpoints, number of photos, files of the results."""
    parser.add_argument('config')
    parser.add_argument('checkpoints', nargs='+', help=f'files, or {start}')
    parser.add_argument('--photos', type=int, default=50, help='default: %(default)s')
    parser.add_argument('--out', type=Path, help='write the numbers as JSON')
    parser.add_argument('--picture', type=Path, help='write a picture of them, .png')


def claim_files(args: argparse.Namespace) -> None:
    """Refuse files that aren't ours to replace, before the work.

    Raises:
        OutputError: naming it.
    """
    inputs = [args.config, *filter(lambda name: Path(name).exists(), args.checkpoints)]
    for option in ('out', 'picture'):
        path = getattr(args, option)
        if path is not None:
            claim_file(path, inputs, f'--{option}', keys=args.checkpoints)


def short_names(checkpoints: Sequence[str]) -> dict[str, str]:
    """Checkpoint → its name, with as many folders as tell them apart."""
    parts = {name: Path(name).with_suffix('').parts for name in checkpoints}
    for depth in range(1, max(map(len, parts.values())) + 1):
        names = {name: '/'.join(part[-depth:]) for name, part in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {name: name for name in checkpoints}


def block_table(rows: Mapping[str, Sequence[float]], title: str) -> str:
    """One line a checkpoint, one column a block."""
    blocks = len(next(iter(rows.values())))
    lines = [
        f'| {title} | ' + ' | '.join(map(str, range(1, blocks + 1))) + ' |',
        '|---|' + '---:|' * blocks,
    ]
    for name, values in rows.items():
        lines.append(f'| {name} | ' + ' | '.join(f'{v:.2f}' for v in values) + ' |')
    return '\n'.join(lines)
