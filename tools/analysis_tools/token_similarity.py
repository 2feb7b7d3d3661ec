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
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.cli.launch import prepare_run
from mmwsss.evaluation.token_similarity import mean_token_similarity
from mmwsss.io.atomic_file import write_json
from mmwsss.io.errors import UserError
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.inference import init_model

START = 'pretrained'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoints', nargs='+', help=f'files, or {START}')
    parser.add_argument('--photos', type=int, default=50)
    parser.add_argument('--out', type=Path, help='write the numbers as JSON')
    return parser.parse_args(argv)


def encoder_of(config: str, checkpoint: str) -> nn.Module:
    """The model whose backbone's tokens are compared.

    Raises:
        UserError: if its backbone has no blocks of tokens.
    """
    model = init_model(config, None if checkpoint == START else checkpoint)
    backbone = unwrap(model).backbone
    if not hasattr(backbone, 'layers') or not hasattr(backbone, 'num_extra_tokens'):
        raise UserError(
            f'{type(backbone).__name__} of {config} is no ViT: no blocks of tokens'
        )
    if checkpoint == START:
        backbone.pretrained = Config.fromfile(config).model.backbone.get('pretrained')
        backbone.init_weights()
    return model


@torch.no_grad()
def block_similarities(model: nn.Module, batches: Sequence[dict]) -> list[float]:
    """Mean similarity of the tokens after each block, over all photos."""
    backbone = unwrap(model).backbone
    found: list[list[Tensor]] = [[] for _ in backbone.layers]

    def keep(block: int, output: Tensor) -> None:
        patches = output[:, backbone.num_extra_tokens :]
        found[block].append(mean_token_similarity(patches))

    hooks = [
        layer.register_forward_hook(lambda _, __, out, i=i: keep(i, out))
        for i, layer in enumerate(backbone.layers)
    ]
    for batch in batches:
        inputs = model.data_preprocessor(batch, False)['inputs']
        for image in inputs:
            backbone(image[None])
    for hook in hooks:
        hook.remove()
    return [float(torch.cat(values).mean()) for values in found]


def table(rows: dict[str, list[float]]) -> str:
    """One line a checkpoint, one column a block."""
    blocks = len(next(iter(rows.values())))
    lines = [
        '| similarity after block | '
        + ' | '.join(map(str, range(1, blocks + 1)))
        + ' |',
        '|---|' + '---:|' * blocks,
    ]
    for name, values in rows.items():
        lines.append(f'| {name} | ' + ' | '.join(f'{v:.2f}' for v in values) + ' |')
    return '\n'.join(lines)


def main(argv: list[str] | None = None) -> dict[str, list[float]]:
    """Compare and print."""
    args = parse_args(argv)
    cfg = prepare_run(Config.fromfile(args.config))
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    loader = cfg.val_dataloader
    loader.dataset.indices = args.photos
    loader.update(num_workers=0, persistent_workers=False)
    batches = list(Runner.build_dataloader(loader))
    rows = {}
    for checkpoint in args.checkpoints:
        model = encoder_of(args.config, checkpoint)
        rows[checkpoint] = block_similarities(model, batches)
    print_log('\n' + table(rows))
    if args.out:
        write_json(rows, args.out)
    return rows


if __name__ == '__main__':
    with plain_errors():
        main()
