# Licensed under Apache-2.0.
"""How alike the patch tokens are after each block of a ViT: over-smoothing in numbers.

::

    python tools/analysis_tools/token_similarity.py CONFIG iter_500.pth iter_2000.pth

takes photos of the config's validation split and prints, for each checkpoint and block,
the mean cosine of all pairs of tokens of a photo (ToCo, Figure 2). Where it goes up to
1 the CAM of that block spills over the whole picture; patch-token contrast keeps it
down. The name ``pretrained`` stands for the weights that a training starts from.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from PIL import Image
from torch import nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.cli.block_tables import (
    add_block_arguments,
    block_table,
    claim_files,
    short_names,
)
from mmwsss.evaluation.token_similarity import mean_token_similarity
from mmwsss.io.atomic_file import write_json
from mmwsss.io.output_folder import write_drawing
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.vit_blocks import (
    START,
    encode_each,
    load_vit,
    token_taps,
    validation_batches,
)
from mmwsss.visualization.block_curves import block_picture


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_block_arguments(parser, START)
    return parser.parse_args(argv)


def block_similarities(model: nn.Module, batches: Sequence[dict]) -> list[float]:
    """Mean similarity of the tokens after each block, over all photos."""
    with token_taps(unwrap(model).backbone, mean_token_similarity) as found:
        encode_each(model, batches)
    return [float(torch.cat(values).mean()) for values in found]


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    """Compare, print, draw."""
    args = parse_args(argv)
    claim_files(args)
    batches = validation_batches(args.config, args.photos)
    rows = {
        checkpoint: block_similarities(load_vit(args.config, checkpoint), batches)
        for checkpoint in args.checkpoints
    }
    names = short_names(args.checkpoints)
    shown = {names[checkpoint]: values for checkpoint, values in rows.items()}
    print_log('\n' + block_table(shown, 'similarity after block'))
    if args.out:
        write_json(rows, args.out)
    if args.picture:
        curves = {name: [[v] for v in values] for name, values in shown.items()}
        picture = block_picture(curves, 'mean cosine of patch tokens', (0, 1))
        write_drawing(Image.fromarray(picture), args.picture)
    return rows


if __name__ == '__main__':
    with plain_errors():
        main()
