# Licensed under Apache-2.0.
"""Cut large pictures into overlapping tiles, and put masks of tiles together again.

::

    python tools/dataset_converters/tile.py data/mine --out data/mine_tiles --size 256
    python tools/dataset_converters/tile.py data/mine --out data/mine_tiles \\
        --labels picture
    python tools/dataset_converters/tile.py data/mine_tiles --stitch MASKS --out whole

The first cuts a folder that tools/dataset_converters/folder.py has made. A tile's label
is what its part of the mask holds; tiles without an object are negatives. Without
masks, --labels picture gives every tile the label of its whole picture, which is right
only where every tile holds it: docs/en/custom_dataset.md says when. --labels none cuts
any folder of pictures, to be predicted. Depth and bands are kept. Tiles of one picture
stay in its split. tiles.json says where each lies; the last line needs it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.palette import class_palette
from mmwsss.pipeline.tiles.cut_tiles import cut_tiles
from mmwsss.pipeline.tiles.stitch_tiles import stitch_tiles
from mmwsss.pipeline.tiles.tile_plan import SOURCES, TileCfg


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help='folder of pictures; to stitch: of tiles')
    parser.add_argument('--out', type=Path, required=True, help='folder to write')
    parser.add_argument(
        '--size', type=int, default=256, help='of the tiles, in pixels; default 256'
    )
    parser.add_argument(
        '--overlap',
        type=float,
        default=0.25,
        help='share of a tile that neighbours have in common; default 0.25',
    )
    parser.add_argument(
        '--labels',
        choices=SOURCES,
        default='mask',
        help="where a tile's label comes from; default mask",
    )
    parser.add_argument(
        '--min-pixels',
        type=int,
        default=32,
        help='of a class in a tile for it to count; default 32',
    )
    parser.add_argument(
        '--stitch', metavar='DIR', help='masks of the tiles, to be put together'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Cut, or stitch."""
    args = parse_args(argv)
    if args.stitch is not None:
        palette = class_palette(255)
        count = stitch_tiles(args.source, args.stitch, args.out, palette)
        print_log(f'{count} masks in {args.out}')
        return
    cfg = TileCfg(args.size, args.overlap, args.labels, args.min_pixels)
    found = cut_tiles(args.source, args.out, cfg)
    print_log(
        f'{found["pictures"]} pictures, {found["tiles"]} tiles in {args.out}, '
        f'{found["empty"]} without an object'
    )


if __name__ == '__main__':
    with plain_errors():
        main()
