# Licensed under Apache-2.0.
"""CAMs of two checkpoints side by side, on your photos.

::

    python tools/analysis_tools/compare_cams.py PHOTOS CONFIG A.pth B.pth
    python tools/analysis_tools/compare_cams.py PHOTOS CONFIG A.pth B.pth \\
        --other-config CONFIG_OF_B

writes for each photo a panel of two rows: photo, CAM, auxiliary CAM, pseudo label and
prediction, as far as a network has them, of the first checkpoint above those of the
second. No label is read: each shows the classes that it finds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.cli.block_tables import short_names
from mmwsss.io.output_folder import claim_outputs, write_drawing
from mmwsss.io.published import compare_classes
from mmwsss.pipeline.inference import class_names, init_model, predict_image
from mmwsss.pipeline.photos import photos_of_folder, read_each, say_left_out
from mmwsss.visualization.panels import TITLES, Tile, compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photos', type=Path, help='photo or folder')
    parser.add_argument('config', help='of the first checkpoint, and of the second')
    parser.add_argument('first', help='checkpoint')
    parser.add_argument('second', help='checkpoint')
    parser.add_argument('--other-config', help='of the second, where it has another')
    parser.add_argument('--out-dir', type=Path, default=Path('compare_cams'))
    return parser.parse_args(argv)


def row(model: nn.Module, title: str, pixels: np.ndarray) -> list[Tile]:
    """One network's view of a photo; the caption names the network and its classes."""
    sample = predict_image(model, pixels)
    names = class_names(model)
    found = sample.pred_score > 0.5 if 'pred_score' in sample else []
    classes = [names[c + 1] for c, holds in enumerate(found) if holds]
    palette = model.dataset_meta.get('palette')
    tiles = sample_tiles(pixels, sample_outputs(sample, truth=False), names, palette)
    tiles[0].title = f'{title}: {", ".join(classes) or "no class"}'
    return tiles


def aligned(rows: list[list[Tile]]) -> list[list[Tile]]:
    """What is the same output stands in one column; a gap where a network has none."""
    photo = rows[0][0].picture
    gap = Tile('', np.full_like(photo, 255))
    found = [{tile.title: tile for tile in row[1:]} for row in rows]
    titles = [title for title in TITLES.values() if any(title in one for one in found)]
    return [
        [row[0], *(one.get(title, gap) for title in titles)]
        for row, one in zip(rows, found, strict=True)
    ]


def main(argv: list[str] | None = None) -> None:
    """Predict with both, draw, say where."""
    args = parse_args(argv)
    other = args.other_config or args.config
    first, second = init_model(args.config, args.first), init_model(other, args.second)
    compare_classes(class_names(first), class_names(second), args.second)
    titles = short_names([args.first, args.second])
    photos = photos_of_folder(args.photos, first.picture)
    files = [(f'{Path(photo.name).stem}.png', photo.path) for photo in photos]
    claim_outputs(args.out_dir, files, [str(args.photos)], '--out-dir')
    failed: dict[str, str] = {}
    for photo, pixels in read_each(photos, failed):
        rows = [
            row(first, titles[args.first], pixels),
            row(second, titles[args.second], pixels),
        ]
        meta = first.dataset_meta
        picture = compose_panel(aligned(rows), class_names(first), meta.get('palette'))
        file = args.out_dir / f'{Path(photo.name).stem}.png'
        write_drawing(Image.fromarray(picture), file)
    print_log(f'{len(photos) - len(failed)} pictures in {args.out_dir}')
    if say_left_out(failed, len(photos)):
        raise SystemExit(1)


if __name__ == '__main__':
    with plain_errors():
        main()
