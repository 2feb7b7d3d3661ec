# Licensed under Apache-2.0.
"""Pretrain the tiny ViT of the Shapes benchmark: our stand-in for ImageNet weights.

    python tools/misc/pretrain_tiny_vit.py --out demo/weights/vit-t_shapes.pth

Single-object pictures of the Shapes generator (other seeds than the benchmark's,
no masks, 10 textures x 4 outlines, so more than the benchmark's classes) are
classified: the texture and the outline from the class token, as in DeiT, and again
from the max-pooled tokens of an inner block (deep supervision, without which so
small a network is slow to start). Most of it happens on small pictures. Written are
the backbone's tensors in float16 under mmpretrain's names, atomically, every
``--save-every`` iterations. The same command gives the same file on the same
machine.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from mmwsss.datasets.shapes_generator import PRETRAIN_LABELS, draw_single
from mmwsss.datasets.shapes_patterns import OUTLINES, PATTERNS
from mmwsss.registry import MODELS

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
# Scale factors of the pictures; their sides are then rounded to whole patches.
FACTORS = (0.83, 0.92, 1.0, 1.09)


class PretrainNet(nn.Module):
    """A ViT with two classifiers: on the class token and on an inner block."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.outputs = [len(PATTERNS), len(OUTLINES)]
        width = backbone.embed_dims
        self.head = nn.Linear(width, sum(self.outputs))
        self.inner_head = nn.Linear(width, sum(self.outputs))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, 14) of the class token and of the inner block's tokens."""
        features = self.backbone.encode(images)
        inner = features.maps[0].amax((2, 3))
        return self.head(features.cls_token).float(), self.inner_head(inner).float()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropies of texture and outline, labels (B, 2)."""
        parts = logits.split(self.outputs, 1)
        return sum(
            F.cross_entropy(part, labels[:, i], label_smoothing=0.05)
            for i, part in enumerate(parts)
        )

    def hits(self, logits: Tensor, labels: Tensor) -> list[float]:
        """Accuracy of texture and outline."""
        parts = logits.split(self.outputs, 1)
        return [
            (part.argmax(1) == labels[:, i]).float().mean().item()
            for i, part in enumerate(parts)
        ]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='.pth to write')
    parser.add_argument('--config', default='configs/toco/toco_vit-t_shapes.py')
    parser.add_argument(
        '--stages', nargs='+', default=['48:1500', '88:500'], metavar='SIDE:ITERS',
        help='picture sides in pixels and their iterations; small ones are cheap')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--lr', type=float, default=1.5e-3)
    parser.add_argument('--pictures', type=int, default=8000, help='per stage')
    parser.add_argument('--seed', type=int, default=1_000_003)
    parser.add_argument('--bf16', action='store_true', help='CPU autocast')
    parser.add_argument('--save-every', type=int, default=200)
    return parser.parse_args(argv)


def draw_pictures(count: int, seed: int, size: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) uint8 and their labels (N, 2): texture, outline."""
    images = np.empty((count, size, size, 3), np.uint8)
    labels = np.empty(count, np.int64)
    for index in range(count):
        images[index], labels[index] = draw_single(seed, index, size)
        if (index + 1) % 2000 == 0:
            print_log(f'drawn {index + 1}/{count}')
    assert labels.max() < len(PRETRAIN_LABELS)
    pairs = np.stack([labels // len(OUTLINES), labels % len(OUTLINES)], 1)
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(pairs)


def normalise(images: Tensor) -> Tensor:
    """Grey levels (B, 3, H, W) to the benchmark's input statistics."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std


def augment(images: Tensor, rng: np.random.Generator, patch: int) -> Tensor:
    """One random scale, turn, channel order for the batch; brightness per picture."""
    images = images.float()
    side = images.shape[-1]
    target = round(side * rng.choice(FACTORS) / patch) * patch
    if target != side:
        images = F.interpolate(
            images, (target, target), mode='bilinear', antialias=True
        )
    if rng.random() < 0.5:
        images = images.flip(3)
    if rng.random() < 0.5:
        images = images.transpose(2, 3)
    images = images[:, torch.from_numpy(rng.permutation(3))]
    grey = images.mean((1, 2, 3), keepdim=True)
    low, high = 0.65, 1.35
    shape = (len(images), 1, 1, 1)
    contrast = torch.from_numpy(rng.uniform(low, high, shape)).float()
    brightness = torch.from_numpy(rng.uniform(low, high, shape)).float()
    images = (images - grey) * contrast + grey * brightness
    return normalise(images.clamp(0, 255))


def learning_rate(iteration: int, iters: int, peak: float, warmup: int = 150) -> float:
    """Linear warm-up, then half a cosine."""
    decay = 0.5 * (1 + math.cos(math.pi * iteration / iters))
    return peak * min(1, (iteration + 1) / warmup) * decay + 1e-6


def build_net(config: str) -> PretrainNet:
    """The backbone of a config, from scratch, under two classifiers."""
    cfg = Config.fromfile(config)
    init_default_scope('mmwsss')
    backbone = cfg.model.backbone
    backbone.update(pretrained=None, freeze_pos_embed=False)
    net = PretrainNet(MODELS.build(backbone))
    net.backbone.init_weights()
    return net


def build_optimizer(net: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW without weight decay on vectors (norms, biases)."""
    groups = [
        dict(params=[p for p in net.parameters() if p.squeeze().ndim > 1],
             weight_decay=0.05),
        dict(params=[p for p in net.parameters() if p.squeeze().ndim <= 1],
             weight_decay=0.0),
    ]  # fmt: skip
    return torch.optim.AdamW(groups, lr=lr)


def save_backbone(backbone: nn.Module, path: Path) -> None:
    """Write float16 tensors through a temporary name."""
    state = {k: v.detach().half() for k, v in backbone.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    torch.save(state, temporary)
    os.replace(temporary, path)


@torch.no_grad()
def evaluate(net: PretrainNet, images: Tensor, labels: Tensor) -> str:
    """Accuracies on held-out pictures and the mean cosine of final tokens."""
    batch = normalise(images.float())
    logits, _ = net(batch)
    texture, outline = net.hits(logits, labels)
    tokens = F.normalize(net.backbone.encode(batch).maps[-1].flatten(2), dim=1)
    alike = (tokens.transpose(1, 2) @ tokens).mean().item()
    return f'texture {texture:.3f} outline {outline:.3f} token cosine {alike:.3f}'


def train(net: PretrainNet, args: argparse.Namespace) -> None:
    """The training loop; the last 512 pictures of a stage are held out."""
    rng = np.random.default_rng(args.seed)
    optimizer = build_optimizer(net, args.lr)
    patch = net.backbone.patch_embed.projection.stride[0]
    held, start, total = 512, time.time(), torch.zeros(2)
    stages = [tuple(map(int, stage.split(':'))) for stage in args.stages]
    sides = [side for side, iters in stages for _ in range(iters)]
    images = labels = None
    for iteration, side in enumerate(sides):
        if images is None or images.shape[-1] != side:
            images, labels = draw_pictures(args.pictures, args.seed, side)
        for group in optimizer.param_groups:
            group['lr'] = learning_rate(iteration, len(sides), args.lr)
        chosen = torch.from_numpy(rng.integers(0, len(images) - held, args.batch))
        batch = augment(images[chosen], rng, patch)
        with torch.autocast('cpu', torch.bfloat16, enabled=args.bf16):
            logits = net(batch)
        losses = [net.loss(each, labels[chosen]) for each in logits]
        optimizer.zero_grad()
        sum(losses).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        total += torch.stack(losses).detach()
        if (iteration + 1) % 100 == 0:
            final, inner = (total / 100).tolist()
            total.zero_()
            line = evaluate(net, images[-held:], labels[-held:])
            seconds = time.time() - start
            print_log(
                f'{iteration + 1}/{len(sides)} loss {final:.3f} inner {inner:.3f} '
                f'{line} ({seconds:.0f} s)'
            )
        if (iteration + 1) % args.save_every == 0 or iteration + 1 == len(sides):
            save_backbone(net.backbone, args.out)


def main(argv: list[str] | None = None) -> None:
    """Draw the pictures, train, write the weights."""
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    net = build_net(args.config)
    train(net, args)
    print_log(f'wrote {args.out}')


if __name__ == '__main__':
    main()
