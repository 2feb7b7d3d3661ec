# Licensed under Apache-2.0.
"""A picture in the demo's style of trained networks on Shapes.

    python benchmarks/shapes_panel.py --out docs/en/images/shapes_fsr_afa.png \
        FSR=work_dirs/shapes/fsr/seed_0 AFA=work_dirs/shapes/afa/seed_0

reads ``result.json`` of finished runs of ``benchmarks/shapes_ablation.py``. One row per
network for each of the first test pictures with two classes or more.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.apis import init_model, predict_image, read_photo
from mmwsss.visualization import Tile, compose_panel, sample_outputs, sample_tiles

ROOT = Path(__file__).resolve().parents[1]
COLOURS = 192  # of the palette: a fifth of the size, no visible loss


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('runs', nargs='+', metavar='NAME=FOLDER')
    parser.add_argument('--data', type=Path, default=ROOT / 'data/shapes')
    parser.add_argument('--num-images', type=int, default=3)
    parser.add_argument('--out', type=Path, required=True)
    return parser.parse_args(argv)


def load(folder: Path) -> nn.Module:
    """The network of a finished run."""
    result = json.loads((folder / 'result.json').read_text())
    return init_model(ROOT / result['config'], result['checkpoint'])


def row(model: nn.Module, title: str, data: Path, name: str) -> list[Tile]:
    """Outputs of one network for one test picture."""
    pixels = read_photo(data / f'JPEGImages/{name}.jpg')
    outputs = sample_outputs(predict_image(model, pixels), truth=False)
    truth = Image.open(data / f'SegmentationClass/{name}.png')
    outputs['truth'] = np.asarray(truth)
    meta = model.dataset_meta
    tiles = sample_tiles(
        pixels, outputs, meta['classes'], meta.get('palette'), min_side=160)
    tiles[0].title = title
    return tiles


def main(argv: list[str] | None = None) -> None:
    """Predict, draw, write."""
    args = parse_args(argv)
    lines = (args.data / 'splits/test.txt').read_text().splitlines()
    names = [line.split()[0] for line in lines if len(line.split()) > 2]
    models = {title: load(Path(folder)) for title, folder in
              (run.split('=', 1) for run in args.runs)}
    rows = [row(model, title, args.data, name) for name in names[:args.num_images]
            for title, model in models.items()]
    meta = next(iter(models.values())).dataset_meta
    panel = compose_panel(rows, meta['classes'], meta.get('palette'),
                          'test pictures; CAMs of the predicted classes')
    picture = Image.fromarray(panel).quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(args.out, optimize=True)
    print_log(f'{args.out}: {args.out.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
