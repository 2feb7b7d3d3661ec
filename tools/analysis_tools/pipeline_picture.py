# Licensed under Apache-2.0.
"""What every stage of a pipeline made of the same pictures, side by side.

::

    python tools/analysis_tools/pipeline_picture.py WORK_DIR --out stages.png \\
        --img-dir data/shapes/JPEGImages --ann-dir data/shapes/SegmentationClass

WORK_DIR is that of tools/run_pipeline.py. One row for each picture: the CAMs and masks
of each ``generate`` stage that has finished, in order, and the truth where
``--ann-dir`` is given (to look at; the tool computes nothing from it).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.io.image_files import IMAGE_SUFFIXES, FileFinder
from mmwsss.io.output_folder import claim_file, write_drawing
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.score_files import load_scores
from mmwsss.pipeline.inference import read_photo
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles

SIDES = dict(min_side=140, max_side=320)
COLOURS = 192  # of the palette: a fifth of the size, no visible loss


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', type=Path, help='of the pipeline')
    parser.add_argument('--img-dir', type=Path, required=True, help='the pictures')
    parser.add_argument('--ann-dir', type=Path, help='pixel labels to show')
    parser.add_argument('--names', nargs='+', help='which; default: the first')
    parser.add_argument('--count', type=int, default=4, help='how many; default 4')
    parser.add_argument('--out', type=Path, required=True, help='PNG to write')
    add_picture(parser)
    return parser.parse_args(argv)


def finished_folders(work_dir: Path) -> dict[str, Path]:
    """The output of each ``generate`` stage that has finished, by the stage's name.

    Raises:
        ValueError: if there is none.
    """
    found = {
        folder.name.split('_', 1)[1]: folder / 'run'
        for folder in sorted(work_dir.glob('[0-9]*_*'))
        if (folder / 'record.json').exists() and (folder / 'run/manifest.json').exists()
    }
    if not found:
        raise ValueError(
            f'{work_dir} has no finished stage that generated CAMs or '
            'masks: give the work dir of tools/run_pipeline.py'
        )
    return found


def outputs_of(run: Path, name: str, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The CAM of the strongest class and the mask of one picture."""
    outputs = {}
    if (run / f'cam/{name}.npz').exists():
        scores = load_scores(run / f'cam/{name}.npz', 'cam', size).scores
        outputs['cam'] = scores.max(0) if len(scores) else np.zeros(size, np.float32)
    if (run / f'mask/{name}.png').exists():
        outputs['pseudo'] = np.asarray(Image.open(run / f'mask/{name}.png'))
    return outputs


def row(
    name: str,
    folders: dict[str, Path],
    args: argparse.Namespace,
    classes: Sequence[str],
    palette: Sequence,
) -> list[Tile]:
    """All stages for one picture."""
    picture = FileFinder(str(args.img_dir), True).find(name, IMAGE_SUFFIXES)
    pixels = read_photo(picture, PictureRule.of(args.picture))
    tiles = []
    for stage, run in folders.items():
        found = sample_tiles(
            pixels, outputs_of(run, name, pixels.shape[:2]), classes, palette, **SIDES
        )
        tiles += found[:1] * (not tiles)  # the photo, once
        for tile in found[1:]:
            tile.title = f'{stage}: {"CAM" if tile.heat else "mask"}'
            tiles.append(tile)
    if args.ann_dir:
        truth = np.asarray(Image.open(args.ann_dir / f'{name}.png'))
        tiles += sample_tiles(pixels, dict(truth=truth), classes, palette, **SIDES)[1:]
    return tiles


def main(argv: list[str] | None = None) -> None:
    """Draw and write."""
    args = parse_args(argv)
    read = [args.img_dir, *([args.ann_dir] if args.ann_dir else [])]
    claim_file(args.out, read)
    folders = finished_folders(args.work_dir)
    last = list(folders.values())[-1]
    manifest = json.loads((last / 'manifest.json').read_text())
    classes, palette = manifest['classes'], manifest['palette']
    names = (
        args.names
        or sorted(
            {file.stem for file in [*last.glob('mask/*.png'), *last.glob('cam/*.npz')]}
        )[: args.count]
    )
    rows = [row(name, folders, args, classes, palette) for name in names]
    panel = compose_panel(rows, classes, palette)
    picture = Image.fromarray(panel).quantize(COLOURS, dither=Image.Dither.NONE)
    write_drawing(picture, args.out, optimize=True)
    print_log(f'{args.out}: {args.out.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    with plain_errors():
        main()
