# Licensed under Apache-2.0.
"""Make masks of class ids (0 background, 1 to C, 255 ignored) from other masks.

::

    python tools/dataset_converters/masks.py masks ids --map 255=1
    python tools/dataset_converters/masks.py masks ids --map 255=0 0=1 1=2 2=3
    python tools/dataset_converters/masks.py masks ids \\
        --colours 0,0,0=0 255,0,0=1 '#00ff00=2' --other 255

``--map`` renames ids; those that aren't named stay. ``--colours`` reads the colours of
RGB masks, and of indexed ones by their palette: of PNGs whose palettes differ from file
to file only the colours mean something. Without either, RGB masks of grey levels become
ids. All below IN is converted; what was converted before is made again, nothing else is
written over.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.side_inputs.ids_kind import ID_MODES, open_mask
from mmwsss.io.data_errors import MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import images_below
from mmwsss.io.label_png import save_label_png
from mmwsss.io.mask_colours import (
    Colour,
    ids_of_colours,
    read_colours,
    read_map,
    renamed,
)
from mmwsss.io.output_folder import claim_outputs
from mmwsss.pipeline.workers import parallel_map

SUFFIXES = ('.png', '.bmp', '.gif', '.tif', '.tiff', '.jpg', '.jpeg')


@dataclass(frozen=True)
class Rule:
    """What becomes of a mask's pixels."""

    ids: dict[int, int] = field(default_factory=dict)
    colours: dict[Colour, int] = field(default_factory=dict)
    other: int | None = None


def converted(mask: Image.Image, rule: Rule) -> np.ndarray:
    """The ids (H, W) uint8 of one mask.

    Raises:
        UserError: if it holds what the rule doesn't name.
    """
    if rule.colours:
        ids = ids_of_colours(np.asarray(mask.convert('RGB')), rule.colours, rule.other)
    elif mask.mode in ID_MODES:
        ids = np.asarray(mask)
    else:
        pixels = np.asarray(mask.convert('RGB'))
        if (pixels != pixels[..., :1]).any():
            found = np.unique(pixels.reshape(-1, 3), axis=0)[:4].tolist()
            raise UserError(
                f'holds colours, e.g. {found}: say by --colours R,G,B=ID which class '
                'each stands for'
            )
        ids = pixels[..., 0]
    return renamed(ids, rule.ids)


def convert(rule: Rule, task: tuple[Path, Path]) -> dict[int, int]:
    """Write one mask; gives the pixels of each id.

    Raises:
        MaskError: if it can't be read, or holds what the rule doesn't name.
    """
    source, out = task
    mask = open_mask(source.read_bytes(), str(source))
    try:
        ids = converted(mask, rule)
    except UserError as err:
        raise MaskError(source, str(err), 'see --help') from err
    save_label_png(ids, out)
    counts = np.bincount(ids.reshape(-1))
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def masks_in(folder: Path, out: Path) -> list[Path]:
    """All pictures below a folder, without those in the folder of the outputs.

    Raises:
        UserError: if there is none.
    """
    inside = out.resolve()
    found = [
        path
        for path in images_below(folder)
        if path.suffix.lower() in SUFFIXES
        and (inside == folder.resolve() or inside not in path.resolve().parents)
    ]
    if not found:
        raise UserError(f'{folder} holds no masks ({", ".join(SUFFIXES)})')
    return found


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('masks', metavar='IN', type=Path, help='folder of masks')
    parser.add_argument('out', metavar='OUT', type=Path, help='folder for new ones')
    parser.add_argument(
        '--map', nargs='+', default=[], metavar='OLD=NEW', help='new names of ids'
    )
    parser.add_argument(
        '--colours',
        nargs='+',
        default=[],
        metavar='R,G,B=ID',
        help='ids of colours; #rrggbb=ID is understood too',
    )
    parser.add_argument(
        '--other', type=int, metavar='ID', help='id of colours that are not named'
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    args = parser.parse_args(argv)
    if args.other is not None and not (args.colours and 0 <= args.other <= 255):
        parser.error('--other ID goes with --colours, and is one of 0..255')
    return args


def main(argv: list[str] | None = None) -> None:
    """Convert all masks; say which ids they hold then."""
    args = parse_args(argv)
    rule = Rule(read_map(args.map), read_colours(args.colours), args.other)
    sources = masks_in(args.masks, args.out)
    names = [path.relative_to(args.masks).with_suffix('.png') for path in sources]
    planned = zip(map(Path.as_posix, names), map(str, sources), strict=True)
    claim_outputs(args.out, planned, [args.masks], option='OUT')
    tasks = [(path, args.out / name) for path, name in zip(sources, names)]
    counts = parallel_map(partial(convert, rule), tasks, args.workers)
    for i in sorted({i for one in counts for i in one}):
        held = sum(i in one for one in counts)
        print_log(f'id {i}: in {held} of {len(counts)} masks')


if __name__ == '__main__':
    with plain_errors():
        main()
