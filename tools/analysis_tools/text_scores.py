# Licensed under Apache-2.0.
"""Which of your classes a text encoder knows: scores of texts against image labels.

::

    python tools/analysis_tools/text_scores.py CONFIG CHECKPOINT [--split SPLIT]

CLIP knows a cat; of "defect A" it knows nothing. For each class the pictures of the
split are ranked by how much they are like its text, and the average precision of that
ranking is printed beside that of chance. A class that goes less than half of the way
from chance to 1 (--trust) should get other words (docs: CLIP-ES, "Words"), or its maps
from a classifier. Image labels are read, pixel labels aren't. ``--out`` writes the
figures as JSON.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.cli.launch import prepare_run
from mmwsss.evaluation.text_agreement import DOUBT, TRUST, text_agreement
from mmwsss.io.atomic_file import write_json
from mmwsss.io.output_folder import refuse_inputs
from mmwsss.pipeline.evaluate.measure_text_scores import measure_text_scores
from mmwsss.pipeline.inference import init_model


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--split', help='default: the training images')
    parser.add_argument('--number', type=int, metavar='N', help='the first N pictures')
    parser.add_argument(
        '--trust',
        type=float,
        default=0.5,
        metavar='G',
        help='share of the way from chance to 1 from which on a class is trusted; '
        'default: %(default)s',
    )
    parser.add_argument('--out', type=Path, metavar='FILE', help='figures as JSON')
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Score, print, write."""
    args = parse_args(argv)
    if not 0 <= args.trust <= 1:
        raise ValueError(f'--trust must be in [0, 1], got {args.trust}')
    cfg = prepare_run(merged_config(args))
    if args.out is not None:
        refuse_inputs(str(args.out), [args.config, args.checkpoint], '--out')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = init_model(cfg, args.checkpoint, device)
    found = measure_text_scores(model, args.split, args.number)
    rows = text_agreement(found.truth, found.score, args.trust)
    named = dict(zip(found.classes, rows, strict=True))
    lines = [
        '| class | pictures | average precision | chance | verdict |',
        '|---|---:|---:|---:|---|',
    ]
    for name, row in named.items():
        lines.append(
            f'| {name} | {row.pictures} | {100 * row.precision:.1f} | '
            f'{100 * row.chance:.1f} | {row.verdict} |'
        )
    print_log(f'{len(found.truth)} pictures\n' + '\n'.join(lines))
    for verdict, words in {
        TRUST: 'Trust to their texts',
        DOUBT: 'Give other words, or maps of a classifier',
    }.items():
        names = [name for name, row in named.items() if row.verdict == verdict]
        print_log(f'{words}: {", ".join(names) or "none"}')
    for line in found.failed.values():
        print_log(line)
    result = dict(
        pictures=len(found.truth),
        classes={name: row._asdict() for name, row in named.items()},
    )
    if args.out is not None:
        write_json(result, args.out)
    return result


if __name__ == '__main__':
    with plain_errors():
        main()
