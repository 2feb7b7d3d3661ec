# Licensed under Apache-2.0.
"""How broadly each head of a ViT looks, block by block: entropy of its attention.

::

    python tools/analysis_tools/attention_entropy.py CONFIG a.pth b.pth --picture a.png

takes photos of the config's validation split and prints, for each checkpoint and block,
the entropy of the tokens' attention, mean over tokens, heads and photos, as a share of
the largest there can be (FSR, Figure 6; 0: each token looks at one, 1: at all alike).
The picture has a dot for each head. The name ``pretrained`` stands for the weights that
a training starts from.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from PIL import Image
from torch import Tensor, nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.cli.block_tables import (
    add_block_arguments,
    block_table,
    claim_files,
    short_names,
)
from mmwsss.evaluation.attention import attention_entropy
from mmwsss.io.atomic_file import write_json
from mmwsss.io.output_folder import write_drawing
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.vit_blocks import (
    START,
    attention_taps,
    encode_each,
    load_vit,
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


def entropy_share(attention: Tensor) -> Tensor:
    """Entropy (B, heads) of attention (B, heads, N, N), as a share of log N."""
    return attention_entropy(attention) / math.log(attention.shape[-1])


def head_entropies(model: nn.Module, batches: Sequence[dict]) -> list[list[float]]:
    """For each block the entropy of each head, in [0, 1], mean over all photos."""
    with attention_taps(unwrap(model).backbone, entropy_share) as found:
        encode_each(model, batches)
    return [torch.cat(values).mean(0).tolist() for values in found]


def main(argv: list[str] | None = None) -> dict[str, list[list[float]]]:
    """Compare, print, draw."""
    args = parse_args(argv)
    claim_files(args)
    batches = validation_batches(args.config, args.photos)
    rows = {
        checkpoint: head_entropies(load_vit(args.config, checkpoint), batches)
        for checkpoint in args.checkpoints
    }
    names = short_names(args.checkpoints)
    shown = {names[checkpoint]: blocks for checkpoint, blocks in rows.items()}
    means = {name: [sum(b) / len(b) for b in blocks] for name, blocks in shown.items()}
    print_log('\n' + block_table(means, 'attention entropy in block'))
    if args.out:
        write_json(rows, args.out)
    if args.picture:
        picture = block_picture(shown, 'attention entropy / log N', (0, 1))
        write_drawing(Image.fromarray(picture), args.picture)
    return rows


if __name__ == '__main__':
    with plain_errors():
        main()
