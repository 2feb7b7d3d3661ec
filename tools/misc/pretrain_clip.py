# Licensed under Apache-2.0.
"""A tiny CLIP for Shapes, from drawn pictures with drawn captions.

    python tools/misc/pretrain_tiny.py --clip --iters 500 --pictures 8000 \
        --init demo/weights/vit-t_shapes.pth --out demo/weights/clip-t_shapes.pth

Mosaics of 2 x 2 single objects, some tiles empty, and captions such as "dots on a
box", "two stripes", "clutter on the ground" are matched, picture with text and text
with picture (Radford et al., ICML 2021), where a caption belongs to every picture of
which it is true. The class token is matched, as in CLIP, and the mean of the patches,
from which CLIP-ES asks for maps. The picture's tower starts from the tiny ViT: its
patch bias goes into the positions, a LayerNorm of the mean scale comes before the
blocks. The text tower is a small transformer over the captions' own tokens.

Written is one file in OpenAI's layout, float16, with the tokens that it knows
(``vocabulary``), for ``tools/model_converters/clip.py``.
"""

from __future__ import annotations

import argparse
import io
import itertools
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model.weight_init import trunc_normal_
from pretrain_networks import NO_TEXTURE, Pictures, mosaic, roll
from torch import Tensor, nn

from mmwsss.datasets.shapes.patterns import OUTLINES, PATTERNS
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.checkpoint import load_checkpoint_file
from mmwsss.models.backbones.clip_vit import CLIPViT
from mmwsss.models.converters.clip_keys import openai_names
from mmwsss.models.converters.vit_keys import unwrap_vit
from mmwsss.models.texts.clip_words import TEMPLATES
from mmwsss.models.texts.text_tower import new_text_tower, tokens_of

#: sizes of the picture's tower: those of the tiny ViT
ARCH = dict(embed_dims=96, num_layers=6, num_heads=4, feedforward_channels=384)
SIDE, PATCH, EMBED, TEXT_WIDTH, TEXT_LAYERS, CONTEXT = 96, 8, 64, 64, 2, 16
#: what else is in pictures
CLUTTER = ('ground', 'clutter', 'pebbles', 'strokes', 'noise', 'clouds')
NUMBERS = ('', 'one', 'two', 'three', 'four')


class Captions:
    """All captions, their tokens, and of which mosaics they are true."""

    def __init__(self) -> None:
        textures, outlines = list(PATTERNS), list(OUTLINES)
        one: list[tuple[str, int, int, int]] = []  # text, texture, outline, count
        for t, name in enumerate(textures):
            one.append((name, t, -1, 1))
            one += [(f'{name} on a {o}', t, i, 1) for i, o in enumerate(outlines)]
            one += [(f'{NUMBERS[n]} {name}', t, -1, n) for n in (2, 3)]
        one += [(word, NO_TEXTURE, -1, 1) for word in CLUTTER]
        one += [
            (f'{a} and {b}', NO_TEXTURE, -1, 1)
            for a, b in itertools.combinations(CLUTTER[:4], 2)
        ]
        self.texts = [text for text, *_ in one]
        self.facts = torch.tensor([facts for _, *facts in one])
        said = [TEMPLATES[0].format(text) for text in self.texts]
        tokens = tokens_of(said, CONTEXT)
        self.vocabulary, self.tokens = torch.unique(tokens, return_inverse=True)

    def true_of(self, textures: Tensor, outlines: Tensor) -> Tensor:
        """(B, captions) float: which are true of mosaics of (B, 4) tiles."""
        texture, outline, count = self.facts.T
        there = textures[:, :, None] == texture
        there &= (outline < 0) | (outlines[:, :, None] == outline)
        return (there.sum(1) >= count).float()


class TinyCLIP(nn.Module):
    """Both towers."""

    def __init__(self, captions: Captions, init: str | None) -> None:
        super().__init__()
        self.visual = CLIPViT(
            arch=ARCH,
            img_size=SIDE,
            patch_size=PATCH,
            text_dims=EMBED,
            frozen=False,
            position_rounding='none',
            attention_blocks=1,
        )
        self.visual.init_weights()
        if init:
            start_from_vit(self.visual, init)
        self.text = new_text_tower(
            len(captions.vocabulary), CONTEXT, TEXT_WIDTH, TEXT_LAYERS, EMBED
        )
        self.text.requires_grad_(True)
        for parameter in self.text.parameters():
            if parameter.ndim > 1:
                trunc_normal_(parameter, std=0.05)
        nn.init.constant_(self.text.logit_scale, math.log(10.0))

    def texts(self, tokens: Tensor) -> Tensor:
        """Unit vectors of captions, with gradient (mmseg's own has none)."""
        encode = type(self.text).encode_text.__wrapped__
        return F.normalize(encode(self.text, tokens), dim=-1)

    def pictures(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors of pictures, of the class token and of the patches."""
        x, _ = self.visual.embed_patches(images)
        for layer in self.visual.layers:
            x = layer(x)
        return tuple(
            F.normalize(self.visual.embed(x, pool), dim=-1)
            for pool in ('cls', 'patches')
        )

    def loss(self, images: Tensor, tokens: Tensor, true: Tensor) -> Tensor:
        """Both directions of matching, for both kinds of picture vectors.

        Args:
            images: (B, 3, H, W), normalised.
            tokens: (T, L) of some captions.
            true: (B, T) which are true of which pictures.
        """
        texts, scale = self.texts(tokens), self.text.logit_scale.exp().clamp(max=100)
        terms = []
        for vectors in self.pictures(images):
            logits = scale * vectors @ texts.T
            for scores, goal in ((logits, true), (logits.T, true.T)):
                share = goal / goal.sum(1, keepdim=True).clamp(min=1)
                terms.append(-(share * scores.log_softmax(1)).sum(1).mean())
        return torch.stack(terms).mean()


@torch.no_grad()
def start_from_vit(tower: CLIPViT, file: str) -> None:
    """Take a plain ViT's weights, see the module's text."""
    state = unwrap_vit(load_checkpoint_file(file, map_location='cpu'))
    state = {key: value.float() for key, value in state.items()}
    state['pos_embed'][:, 1:] += state.pop('patch_embed.projection.bias')
    own = ('pre_norm.weight', 'pre_norm.bias', 'proj')
    state |= {k: v for k, v in tower.state_dict().items() if k in own}
    tower.load_state_dict(state, strict=True)


def calibrate(tower: CLIPViT, images: Tensor) -> None:
    """Set the first LayerNorm to the scale that the stream of a plain ViT has."""
    norm = tower.pre_norm
    tower.pre_norm = nn.Identity()
    with torch.no_grad():
        stream, _ = tower.embed_patches(images)
        norm.weight.fill_(float(stream.std(-1).mean()))
    tower.pre_norm = norm


def learning_rate(iteration: int, args: argparse.Namespace) -> float:
    """Linear warm-up, then half a cosine."""
    decay = 0.5 * (1 + math.cos(math.pi * iteration / args.iters))
    return args.lr * min(1, (iteration + 1) / 50) * decay + 1e-6


def draw_batch(
    pictures: Pictures, captions: Captions, count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Mosaics, captions that are true of one of them at least, and of which."""
    chosen = torch.from_numpy(rng.integers(0, len(pictures.images), 4 * count))
    empty = torch.from_numpy(rng.random(4 * count) < 0.25)
    textures = pictures.textures[chosen]
    chosen[empty] = chosen[textures == NO_TEXTURE][0]
    some = Pictures(*(each[chosen] for each in pictures))
    tiles = some.textures.view(-1, 4), some.outlines.view(-1, 4)
    true = captions.true_of(*tiles)
    weights = true / true.sum(0).clamp(min=1)
    told = torch.multinomial(weights.clamp(min=1e-9), 1)[:, 0].unique()
    return some.images, told, true[:, told]


def train_clip(
    pictures: Pictures, args: argparse.Namespace, augment: Any, optimizer_of: Any
) -> None:
    """Train, and write the file."""
    rng, captions = np.random.default_rng(args.seed), Captions()
    model = TinyCLIP(captions, args.init)
    if args.init:
        calibrate(model.visual, mosaic(augment(pictures.images[:64], rng)))
    optimizer, start, total = optimizer_of(model, args.lr), time.time(), 0.0
    for iteration in range(args.iters):
        for group in optimizer.param_groups:
            group['lr'] = learning_rate(iteration, args)
        images, told, true = draw_batch(pictures, captions, args.batch // 4, rng)
        shift = tuple(int(v) for v in rng.integers(0, SIDE // PATCH, 2))
        mosaics = roll(mosaic(augment(images, rng)), shift, PATCH)
        loss = model.loss(mosaics, captions.tokens[told], true)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (iteration + 1) % args.save_every == 0 or iteration + 1 == args.iters:
            print_log(
                f'{iteration + 1}/{args.iters} loss {total / args.save_every:.3f} '
                f'({time.time() - start:.0f} s)'
            )
            total = 0.0
            save_clip(model, captions, args.out)


def save_clip(model: TinyCLIP, captions: Captions, path: Path) -> None:
    """Write both towers under OpenAI's names, float16, and the tokens."""
    state = openai_names(model.visual.state_dict(), model.text.state_dict())
    state = {key: value.detach().half() for key, value in state.items()}
    state['vocabulary'] = captions.vocabulary
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomic(buffer.getvalue(), path)
