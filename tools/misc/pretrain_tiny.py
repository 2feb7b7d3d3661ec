# Licensed under Apache-2.0.
"""Pretrain the tiny networks of the Shapes benchmark: stand-in for ImageNet weights.

    python tools/misc/pretrain_tiny.py --out demo/weights/vit-t_shapes.pth

Single-object pictures of the Shapes generator (other seeds than the benchmark's, no
masks, 10 textures x 4 outlines, so more than the benchmark's classes) are classified.

1. Small single pictures: texture and outline from the class token, as in DeiT, and
   from the max-pooled tokens of the tapped inner block, without which so small a
   network is slow to start.
2. The same, and mosaics of 2 x 2 pictures, some of them empty, shifted at random:
   the strongest tokens of each tile must tell its texture, in the inner block (a
   quarter of the tile) and, with less weight, in the last one (half of it). Without
   this the class ends up in idle background tokens and CAMs come out inverted, which
   networks pretrained on millions of photos do not do.

By themselves a MiT and a Wide-ResNet-38 hardly start on these tasks: the MiT's tokens
become alike first (at chance after 2,200 iterations), and the Wide-ResNet is at chance
after 200. So with ``--teacher`` their last two maps first learn those of the pretrained
tiny ViT, token by token on mosaics; then they classify (``--init``):

    python tools/misc/pretrain_tiny.py --config configs/afa/afa_mit-t_shapes.py \
        --teacher configs/toco/toco_vit-t_shapes.py --iters 800 --lr 1e-3 \
        --out work_dirs/matched.pth
    python tools/misc/pretrain_tiny.py --config configs/afa/afa_mit-t_shapes.py \
        --init work_dirs/matched.pth --iters 400 --single-iters 0 --lr 6e-4 \
        --pictures 8000 --out demo/weights/mit-t_shapes.pth

    python tools/misc/pretrain_tiny.py --config configs/eps/eps_wr38-t_shapes.py \
        --teacher configs/toco/toco_vit-t_shapes.py --iters 700 --lr 3e-3 \
        --out work_dirs/matched.pth
    python tools/misc/pretrain_tiny.py --config configs/eps/eps_wr38-t_shapes.py \
        --init work_dirs/matched.pth --iters 400 --single-iters 0 --lr 1e-3 \
        --pictures 8000 --out demo/weights/wr38-t_shapes.pth

Written are the backbone's tensors in float16 under mmpretrain's names, atomically,
every ``--save-every`` iterations. The same command gives the same file on the same
machine.

The shipped ``demo/weights/vit-t_shapes.pth`` is not the output of one such command: it
was made in sittings while this recipe was found (about 1,400 iterations of step 1,
then 500 of step 2 without the last block's term, 300 with that term on the mean of
the tile and 250 with it as here, each with its own learning-rate cycle).
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
from pretrain_clip import train_clip
from pretrain_networks import (
    NO_TEXTURE,
    Pictures,
    PretrainNet,
    class_token,
    mosaic,
    strongest,
)
from torch import Tensor, nn

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.shapes.patterns import OUTLINES
from mmwsss.datasets.shapes.scenes import draw_empty, draw_single
from mmwsss.registry import MODELS
from mmwsss.structures import encode

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SIDE = 48  # of a single picture, half a mosaic
# Sides of augmented single pictures, in patches of 8 pixels.
SIDES = (40, 48, 48, 56)
HELD_OUT = 512


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='.pth to write')
    parser.add_argument('--config', default='configs/toco/toco_vit-t_shapes.py')
    parser.add_argument('--teacher', help='config of a pretrained ViT to learn from')
    parser.add_argument('--init', help='weights to start from (default: at random)')
    parser.add_argument('--iters', type=int, default=2200)
    parser.add_argument(
        '--single-iters',
        type=int,
        default=1100,
        help='of these, how many without mosaics',
    )
    parser.add_argument('--batch', type=int, default=64, help='single pictures')
    parser.add_argument('--lr', type=float, default=1.5e-3)
    parser.add_argument('--pictures', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=1_000_003)
    parser.add_argument('--bf16', action='store_true', help='CPU autocast')
    parser.add_argument('--save-every', type=int, default=100)
    parser.add_argument(
        '--clip', action='store_true', help='a tiny CLIP instead, see pretrain_clip.py'
    )
    return parser.parse_args(argv)


def draw_pictures(count: int, seed: int) -> Pictures:
    """Draw the pictures; every fifth is empty."""
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels = np.full(count, NO_TEXTURE * len(OUTLINES))
    for index in range(count):
        if index % 5 == 4:
            images[index] = draw_empty(seed, index, SIDE)
        else:
            images[index], labels[index] = draw_single(seed, index, SIDE)
        if (index + 1) % 2000 == 0:
            print_log(f'drawn {index + 1}/{count}')
    pixels, ids = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    return Pictures(pixels, ids // len(OUTLINES), ids % len(OUTLINES))


def normalise(images: Tensor) -> Tensor:
    """Grey levels (B, 3, H, W) to the benchmark's input statistics."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Turn and channel order of the batch; contrast and brightness per picture."""
    images = images.float()
    if rng.random() < 0.5:
        images = images.flip(3)
    if rng.random() < 0.5:
        images = images.transpose(2, 3)
    images = images[:, torch.from_numpy(rng.permutation(3))]
    grey = images.mean((1, 2, 3), keepdim=True)
    shape = (len(images), 1, 1, 1)
    contrast = torch.from_numpy(rng.uniform(0.65, 1.35, shape)).float()
    brightness = torch.from_numpy(rng.uniform(0.65, 1.35, shape)).float()
    images = (images - grey) * contrast + grey * brightness
    return normalise(images.clamp(0, 255))


def rescale(images: Tensor, rng: np.random.Generator) -> Tensor:
    """One random size for the batch."""
    side = int(rng.choice(SIDES))
    if side == images.shape[-1]:
        return images
    return F.interpolate(images, (side, side), mode='bilinear', antialias=True)


def learning_rate(iteration: int, iters: int, peak: float, warmup: int = 150) -> float:
    """Linear warm-up, then half a cosine."""
    decay = 0.5 * (1 + math.cos(math.pi * iteration / iters))
    return peak * min(1, (iteration + 1) / warmup) * decay + 1e-6


def build_teacher(config: str) -> nn.Module:
    """The backbone of a config with its pretrained weights."""
    init_default_scope('mmwsss')
    teacher = MODELS.build(Config.fromfile(config).model.backbone)
    if teacher.pretrained is None:
        raise ValueError(f'{config} has no pretrained weights: nothing to learn from')
    teacher.init_weights()
    return teacher


def build_net(
    config: str, teacher: str | None = None, init: str | None = None
) -> PretrainNet:
    """The backbone of a config, from scratch or ``init``, under its classifiers."""
    cfg = Config.fromfile(config)
    init_default_scope('mmwsss')
    backbone = cfg.model.backbone
    backbone.update(pretrained=init)
    if 'freeze_pos_embed' in backbone:
        backbone.update(freeze_pos_embed=False)
    net = PretrainNet(MODELS.build(backbone), teacher and build_teacher(teacher))
    net.backbone.init_weights()
    return net


def build_optimizer(net: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW without weight decay on vectors (norms, biases)."""
    trained = [p for p in net.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.squeeze().ndim > 1]
    vectors = [p for p in trained if p.squeeze().ndim <= 1]
    groups = [
        dict(params=matrices, weight_decay=0.05),
        dict(params=vectors, weight_decay=0.0),
    ]
    return torch.optim.AdamW(groups, lr=lr)


def save_backbone(backbone: nn.Module, path: Path) -> None:
    """Write float16 tensors through a temporary name."""
    state = {
        k: v.detach().half() if v.is_floating_point() else v
        for k, v in backbone.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{os.getpid()}.{path.name}')
    torch.save(state, temporary)
    os.replace(temporary, path)


@torch.no_grad()
def evaluate(net: PretrainNet, held: Pictures) -> str:
    """Accuracies on held-out pictures and the mean cosine of final tokens."""
    if net.matcher is not None:
        error = net.match_loss(mosaic(normalise(held.images.float())), (0, 0))
        return f'error of the tokens {error:.3f}'
    images, there = normalise(held.images.float()), held.textures != NO_TEXTURE
    token = class_token(encode(net.backbone, images))
    maps = encode(net.backbone, mosaic(images)).maps
    inner, final = net.tile_logits(maps, (0, 0))
    guesses = dict(
        texture=(net.texture_head(token), held.textures),
        outline=(net.outline_head(token), held.outlines),
        inner=(strongest(inner, 4), held.textures),
        final=(strongest(final, 2), held.textures),
    )
    parts = [
        f'{name} {(logits.argmax(1) == labels)[there].float().mean().item():.3f}'
        for name, (logits, labels) in guesses.items()
    ]
    tokens = F.normalize(maps[-1].flatten(2), dim=1)
    alike = (tokens.transpose(1, 2) @ tokens).mean().item()
    return f'accuracy: {", ".join(parts)}; token cosine {alike:.3f}'


def random_shift(rng: np.random.Generator) -> tuple[int, int]:
    """Patches by which mosaics are shifted."""
    return tuple(int(v) for v in rng.integers(0, 2 * SIDE // 8, 2))


def step_loss(
    net: PretrainNet, batch: Pictures, rng: np.random.Generator, with_mosaics: bool
) -> Tensor:
    """All terms of one iteration."""
    images = augment(batch.images, rng)
    if net.matcher is not None:
        return net.match_loss(mosaic(images), random_shift(rng))
    loss = net.single_loss(rescale(images, rng), batch, inner=not with_mosaics)
    if with_mosaics:
        shift = random_shift(rng)
        loss = loss + net.tile_loss(mosaic(images), batch.textures, shift)
    return loss


def train(net: PretrainNet, pictures: Pictures, args: argparse.Namespace) -> None:
    """The training loop; the last pictures are held out."""
    rng = np.random.default_rng(args.seed)
    optimizer = build_optimizer(net, args.lr)
    held = Pictures(*(each[-HELD_OUT:] for each in pictures))
    seen, start, total = len(pictures.images) - HELD_OUT, time.time(), 0.0
    for iteration in range(args.iters):
        for group in optimizer.param_groups:
            group['lr'] = learning_rate(iteration, args.iters, args.lr)
        chosen = torch.from_numpy(rng.integers(0, seen, args.batch))
        batch = Pictures(*(each[chosen] for each in pictures))
        with torch.autocast('cpu', torch.bfloat16, enabled=args.bf16):
            loss = step_loss(net, batch, rng, iteration >= args.single_iters)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (iteration + 1) % args.save_every == 0 or iteration + 1 == args.iters:
            print_log(
                f'{iteration + 1}/{args.iters} loss '
                f'{total / args.save_every:.3f} {evaluate(net, held)} '
                f'({time.time() - start:.0f} s)'
            )
            total = 0.0
            save_backbone(net.backbone, args.out)


def main(argv: list[str] | None = None) -> None:
    """Draw the pictures, train, write the weights."""
    args = parse_args(argv)
    torch.manual_seed(args.seed)
    pictures = draw_pictures(args.pictures, args.seed)
    if args.clip:
        train_clip(pictures, args, augment, build_optimizer)
        print_log(f'wrote {args.out}')
        return
    net = build_net(args.config, args.teacher, args.init)
    train(net, pictures, args)
    print_log(f'wrote {args.out}')


if __name__ == '__main__':
    with plain_errors():
        main()
