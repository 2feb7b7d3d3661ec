# Licensed under Apache-2.0.
"""A network of the zoo on drawn pictures: the first figure of docs/en/field.md.

    python demo/field_picture.py [--data FOLDER] [--out FILE]

Picture, CAMs, pseudo label, prediction and truth of test pictures of Shapes. No label
is read; the CAM shown is that of the classes that the network finds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import print_log
from PIL import Image

from mmwsss.apis.compare import comparison_panel
from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_picture
from mmwsss.io.metafiles import published, published_weights
from mmwsss.pipeline.inference import init_model

ROOT = Path(__file__).resolve().parents[1]
MODEL = 'toco_vit-t_shapes'
COLOURS = 192  # of the palette: a fifth of the size, no visible loss


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=ROOT / 'data/shapes')
    parser.add_argument('--num-images', type=int, default=2)
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'work_dirs/demo/field.png', metavar='FILE'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Predict, draw, say where the picture is."""
    args = parse_args(argv)
    entry = published(ROOT)[MODEL]
    published_weights(ROOT, entry)  # refuses a damaged file
    model = init_model(ROOT / entry['Config'], str(ROOT / entry['Weights']))
    panel = comparison_panel({'ToCo': model}, args.data, args.num_images)
    picture = Image.fromarray(panel).quantize(COLOURS, dither=Image.Dither.NONE)
    write_picture(picture, args.out)
    print_log(f'picture: {args.out}, {args.out.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    with plain_errors():
        main()
