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

from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.apis.compare import comparison_panel
from mmwsss.pipeline.inference import init_model

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


def main(argv: list[str] | None = None) -> None:
    """Predict, draw, write."""
    args = parse_args(argv)
    models = {
        title: load(Path(folder))
        for title, folder in (run.split('=', 1) for run in args.runs)
    }
    panel = comparison_panel(models, args.data, args.num_images)
    picture = Image.fromarray(panel).quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(args.out, optimize=True)
    print_log(f'{args.out}: {args.out.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
