# Licensed under Apache-2.0.
"""A network of the zoo on two photos in the public domain: README's first picture.

    python demo/photos_picture.py [--model NAME] [--checkpoint FILE] [--out FILE]

The photos, Chelsea the cat and the astronaut Eileen Collins (NASA), come with
scikit-image under CC0. No training and no download: the weights lie in ``zoo/``. No
label is read; the CAM shown is that of the classes that the network finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_picture
from mmwsss.pipeline.inference import init_model, predict_image
from mmwsss.pipeline.zoo_models import zoo_model
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs

ROOT = Path(__file__).resolve().parents[1]
MODEL = 'toco_deit-t_animals'
LONG_SIDE = 320  # that of the photos the network has seen
COLOURS = 192  # of the palette: a fifth of the size, no visible loss


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--model', default=MODEL, help='name in the zoo')
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help='weights of your own of that config, instead of the published ones',
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'work_dirs/demo/photos.png', metavar='FILE'
    )
    return parser.parse_args(argv)


def photos() -> dict[str, np.ndarray]:
    """The two photos, RGB (H, W, 3) uint8, with a long side of 320 pixels."""
    from skimage import data  # only this needs it

    pictures: dict[str, Callable[[], np.ndarray]] = {
        'Chelsea': data.chelsea,
        'Eileen Collins': data.astronaut,
    }
    return {title: small(load()) for title, load in pictures.items()}


def small(pixels: np.ndarray) -> np.ndarray:
    """The photo with a long side of 320 pixels."""
    picture = Image.fromarray(pixels)
    scale = LONG_SIDE / max(picture.size)
    size = tuple(round(side * scale) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def row(model: nn.Module, title: str, pixels: np.ndarray) -> list[Tile]:
    """Photo · CAM · segmentation, where the network has a decoder."""
    decodes = getattr(model, 'decode_head', None) is not None
    sample = predict_image(model, pixels, outputs=('seg', 'cam')[not decodes :])
    outputs = sample_outputs(sample, truth=False)
    meta = model.dataset_meta
    tiles = sample_tiles(pixels, outputs, meta['classes'], meta.get('palette'))
    tiles[0].title = title
    return tiles


def picture(model: nn.Module) -> np.ndarray:
    """Both photos, one a row; RGB (H, W, 3) uint8."""
    rows = [row(model, title, pixels) for title, pixels in photos().items()]
    meta = model.dataset_meta
    return compose_panel(rows, meta['classes'], meta.get('palette'))


def main(argv: list[str] | None = None) -> None:
    """Predict, draw, say where the picture is."""
    args = parse_args(argv)
    if args.checkpoint:
        [config] = ROOT.glob(f'configs/*/{args.model}.py')
        model = init_model(config, str(args.checkpoint))
    else:
        model = init_model(*zoo_model(args.model))
    drawn = Image.fromarray(picture(model))
    drawn = drawn.quantize(COLOURS, dither=Image.Dither.NONE)
    write_picture(drawn, args.out)
    print_log(f'picture: {args.out}')


if __name__ == '__main__':
    with plain_errors():
        main()
