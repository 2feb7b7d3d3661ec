# Licensed under Apache-2.0.
"""What a network's probabilities are worth: reliability and calibration error.

::

    python tools/analysis_tools/calibration.py CONFIG CHECKPOINT [--out-dir DIR]

predicts the config's test split as ``tools/test.py`` does and sorts all pixels by the
probability of the class that they are given: of those at 0.8, are 80 % right? The
expected calibration error (Naeini et al. 2015, Guo et al. 2017; 15 bins of equal width)
is the mean distance of both. The same of image labels: of the classes at 0.8, do 80 %
of the pictures hold them? ``--out-dir`` gets ``calibration.json`` and
``calibration.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.cli.launch import prepare_run
from mmwsss.evaluation.calibration import NUM_BINS
from mmwsss.io.atomic_file import write_json
from mmwsss.io.output_folder import claim_outputs, write_drawing
from mmwsss.pipeline.evaluate.measure_calibration import (
    Calibration,
    measure_calibration,
)
from mmwsss.pipeline.inference import init_model
from mmwsss.visualization.reliability import reliability_picture

JSON, PICTURE = 'calibration.json', 'calibration.png'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--out-dir', type=Path, metavar='DIR', help='JSON and picture')
    parser.add_argument('--number', type=int, metavar='N', help='the first N pictures')
    parser.add_argument(
        '--bins', type=int, default=NUM_BINS, help='default: %(default)s'
    )
    parser.add_argument('--post-processor', metavar='NAME', help='as in tools/test.py')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def table(found: Calibration) -> str:
    """One line for pixels, one for image labels."""
    lines = [
        '| % | mean probability | right | calibration error (ECE) |',
        '|---|---:|---:|---:|',
    ]
    for name, facts in found.facts().items():
        values = (facts[key] for key in ('mean_confidence', 'accuracy', 'ece'))
        cells = ' | '.join(f'{100 * value:.2f}' for value in values)
        lines.append(f'| {name} | {cells} |')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Predict, print, write."""
    args = parse_args(argv)
    cfg = prepare_run(merged_config(args))
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = init_model(cfg, args.checkpoint, device, args.post_processor)
    if args.out_dir is not None:
        files = [(name, args.checkpoint) for name in (JSON, PICTURE)]
        claim_outputs(args.out_dir, files, [args.checkpoint], '--out-dir')
    found = measure_calibration(model, model.cfg, args.number, args.bins)
    result = dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        pictures=found.pictures,
        bins=args.bins,
        **found.facts(),
    )
    print_log(f'{found.pictures} pictures, {args.bins} bins\n{table(found)}')
    if args.out_dir is not None:
        write_json(result, args.out_dir / JSON)
        picture = reliability_picture(found.facts())
        write_drawing(Image.fromarray(picture), args.out_dir / PICTURE)
        print_log(f'written: {args.out_dir / JSON}, {args.out_dir / PICTURE}')
    return result


if __name__ == '__main__':
    with plain_errors():
        main()
