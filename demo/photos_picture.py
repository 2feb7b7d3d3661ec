# Licensed under Apache-2.0.
"""Networks of the zoo on two photos in the public domain: README's first picture.

    python demo/photos_picture.py [--model NAME ...] [--checkpoint FILE] [--out FILE]

The classifier's CAM, and the segmentation of the network that learned from its masks.

The photos, Chelsea the cat and the astronaut Eileen Collins (NASA), come with
scikit-image under CC0. No training and no download: the weights lie in ``zoo/``. No
label is read; the CAM shown is that of the classes that the network finds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_picture
from mmwsss.pipeline.inference import init_model, predict_image
from mmwsss.pipeline.zoo_models import zoo_model
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs

ROOT = Path(__file__).resolve().parents[1]
MODELS = ('cam_deit-t_animals', 'deeplabv3_deit-t_animals-pseudo')
LONG_SIDE = 320
# What the networks get: both are close-ups, and crops of 224 pixels of training photos
# hold whole animals. At 320 pixels cat and suit fall into pieces.
SEEN = 128
COLOURS = 192  # of the palette: a fifth of the size, no visible loss


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--model',
        nargs='+',
        default=MODELS,
        metavar='NAME',
        help='names in the zoo; default: %(default)s',
    )
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help='weights of your own of the last one, instead of the published ones',
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
    return {title: small(load(), LONG_SIDE) for title, load in pictures.items()}


def small(pixels: np.ndarray, long_side: int) -> np.ndarray:
    """The photo with a long side of so many pixels."""
    picture = Image.fromarray(pixels)
    scale = long_side / max(picture.size)
    size = tuple(round(side * scale) for side in picture.size)
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))


def row(models: Sequence[nn.Module], title: str, pixels: np.ndarray) -> list[Tile]:
    """Photo · what each network shows: CAM, segmentation, or both."""
    tiles: list[Tile] = []
    seen = small(pixels, SEEN)
    for model in models:
        found = sample_outputs(predict(model, seen), truth=False)
        meta = model.dataset_meta
        drawn = sample_tiles(pixels, found, meta['classes'], meta.get('palette'))
        drawn[0].title = title
        tiles += drawn[bool(tiles) :]
    return tiles


def predict(model: nn.Module, pixels: np.ndarray) -> SegDataSample:
    """CAM and segmentation, as far as the network has them."""
    if getattr(model, 'cam_head', None) is None:
        return predict_image(model, pixels)
    decodes = getattr(model, 'decode_head', None) is not None
    return predict_image(model, pixels, outputs=('seg', 'cam')[not decodes :])


def picture(models: Sequence[nn.Module]) -> np.ndarray:
    """Both photos, one a row; RGB (H, W, 3) uint8."""
    rows = [row(models, title, pixels) for title, pixels in photos().items()]
    meta = models[-1].dataset_meta
    return compose_panel(rows, meta['classes'], meta.get('palette'))


def main(argv: list[str] | None = None) -> None:
    """Predict, draw, say where the picture is."""
    args = parse_args(argv)
    names = list(args.model)
    own = []
    if args.checkpoint:
        [config] = ROOT.glob(f'configs/*/{names.pop()}.py')
        own = [init_model(config, str(args.checkpoint))]
    models = [init_model(*zoo_model(name)) for name in names] + own
    drawn = Image.fromarray(picture(models))
    drawn = drawn.quantize(COLOURS, dither=Image.Dither.NONE)
    write_picture(drawn, args.out)
    print_log(f'picture: {args.out}')


if __name__ == '__main__':
    with plain_errors():
        main()
