# Licensed under Apache-2.0.
"""What FSR's teacher says, and what its mask calls uncertain, at a checkpoint.

    python benchmarks/fsr_targets.py configs/fsr/fsr_vit-t_shapes.py CHECKPOINT

Training pictures pass through one training step without an update. Entropies are in
units of log K: a *target* at 1 is uniform and teaches nothing, one at 0 is a single
output; the *mean target* of all tokens at 0 says that all tokens get the same one, so
the two should be far apart. *uncertain* are the shares of pixels and blocks whose CAM
score lies between the mask's thresholds.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint
from torch import Tensor, nn

from mmwsss.cli.arguments import add_cfg_options, merged_config
from mmwsss.methods.fsr.block_masks import block_grid, uncertain_blocks
from mmwsss.registry import MODELS

LATE = 10**9  # an iteration at which every term is active and masks are guided


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', type=Path)
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--batches', type=int, default=10)
    add_cfg_options(parser)
    return parser.parse_args(argv)


def entropy(target: Tensor) -> float:
    """Mean entropy of distributions (..., K) in units of log K."""
    terms = -target * target.clamp_min(1e-12).log()
    return terms.sum(-1).mean().item() / math.log(target.shape[-1])


def watch(loss: nn.Module, term: str, seen: dict[str, list[float]]) -> None:
    """Note the targets of every call of a self-distillation loss."""

    def note(module: nn.Module, args: tuple, kwargs: dict) -> None:
        _, teacher, temperature, *_ = args
        target = ((teacher - module.center) / temperature).softmax(-1)
        seen[f'{term}: entropy of a target'].append(entropy(target))
        average = target.flatten(0, 1).mean(0)
        seen[f'{term}: entropy of the mean target'].append(entropy(average))

    loss.register_forward_pre_hook(note, with_kwargs=True)


def note_uncertain(
    model: nn.Module, data: dict[str, Any], seen: dict[str, list[float]]
) -> None:
    """Shares of uncertain pixels and blocks."""
    cfg, images = model.masking, data['inputs'][model.masking.view]
    labels = model.image_labels(data['data_samples'], images.device)
    score = model.uncertainty_cam(images, labels).amax(1)
    patch = model.backbone.patch_embed.projection.stride[0]
    blocks = block_grid(tuple(images.shape[-2:]), cfg.block_size, patch)
    low, high = cfg.thresholds
    pixels = (score > low) & (score < high)
    seen['uncertain pixels'].append(pixels.float().mean().item())
    chosen = uncertain_blocks(score, low, high, blocks, cfg.reduce)
    seen['uncertain blocks'].append(chosen.float().mean().item())


@torch.no_grad()
def measure(cfg: Config, checkpoint: Path, batches: int) -> dict[str, float]:
    """Means over batches of the training pictures."""
    init_default_scope('mmwsss')
    cfg.model.backbone.pretrained = None
    model = MODELS.build(cfg.model).train()
    load_checkpoint(model, str(checkpoint), map_location='cpu', strict=True)
    MessageHub.get_instance('fsr_targets').update_info('iter', LATE)
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    torch.manual_seed(0)
    seen: dict[str, list[float]] = defaultdict(list)
    for term in ('unc', 'cer'):
        watch(model.losses[term], term, seen)
    for _, batch in zip(range(batches), loader, strict=False):
        data = model.data_preprocessor(batch, True)
        note_uncertain(model, data, seen)
        model.loss(**data)
    return {name: mean(values) for name, values in seen.items()}


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    found = measure(merged_config(args), args.checkpoint, args.batches)
    for name, value in found.items():
        print_log(f'{name}: {value:.3f}')


if __name__ == '__main__':
    main()
