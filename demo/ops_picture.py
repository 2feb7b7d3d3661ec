# Licensed under Apache-2.0.
"""What PAR and the dense CRF make of a coarse, noisy score map, in one picture.

    python demo/ops_picture.py --out docs/en/images/ops.png

The photograph is a drawn Shapes picture. Its scores are made from the truth the
way a CAM fails: pooled to a coarse grid, stronger on the discriminative part,
with noise of both grids. Everything follows from the seed; nothing is trained.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from mmwsss.datasets.shapes.scenes import (
    SHAPES_CLASSES,
    SHAPES_PALETTE,
    ShapesScene,
    draw_scene,
)
from mmwsss.io.palette import full_palette
from mmwsss.ops import DENSE_CRF_PRESETS, dense_crf, par, unary_from_prob
from mmwsss.visualization.panels import Tile, compose_panel

log = logging.getLogger('demo')


def coarse_scores(scene: ShapesScene, generator: torch.Generator, cell: int) -> Tensor:
    """Probabilities (1, K, S, S) as a network's coarse grid would give them."""
    mask = torch.from_numpy(scene.mask).long()
    truth = F.one_hot(mask, len(SHAPES_CLASSES)).permute(2, 0, 1)[None].float()
    part = torch.from_numpy(scene.part)[None, None].float()
    logits = 4 * F.avg_pool2d(truth * (0.7 + 0.3 * part), cell)
    logits[:, 0] *= 0.8
    logits += torch.randn(logits.shape, generator=generator)
    absent = [k for k in range(1, len(SHAPES_CLASSES)) if k not in scene.labels]
    size = scene.mask.shape
    logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    logits += torch.randn(logits.shape, generator=generator)
    logits[:, absent] = -1e4  # the image labels are known
    return logits.softmax(dim=1)


def mean_iou(predicted: np.ndarray, scene: ShapesScene) -> float:
    """In percent, over the background and the classes of the picture."""
    scores = []
    for label in (0, *scene.labels):
        ours, theirs = predicted == label, scene.mask == label
        scores.append((ours & theirs).sum() / (ours | theirs).sum())
    return 100 * float(np.mean(scores))


def labellings(scene: ShapesScene, prob: Tensor) -> dict[str, np.ndarray]:
    """Labels before and after each operator."""
    image = torch.from_numpy(scene.image).permute(2, 0, 1)[None]
    refined = par(image, prob)
    params = DENSE_CRF_PRESETS['psa']
    marginals = dense_crf(image, unary_from_prob(prob), **params)
    maps = {'scores': prob, 'PAR': refined, 'dense CRF': marginals}
    return {name: scores[0].argmax(dim=0).numpy() for name, scores in maps.items()}


def draw(seed: int, index: int, size: int, cell: int) -> np.ndarray:
    """The picture: photograph, and each labelling with its score."""
    scene = draw_scene(seed, index, size)
    prob = coarse_scores(scene, torch.Generator().manual_seed(seed), cell)
    tiles, palette = [Tile('image', scene.image)], full_palette(SHAPES_PALETTE)
    for name, labels in labellings(scene, prob).items():
        title = f'{name}: mIoU {mean_iou(labels, scene):.1f}'
        log.info(title)
        # Without the outlines of `label_overlay`: noise would be all outline.
        shown = (0.4 * scene.image + 0.6 * palette[labels]).astype(np.uint8)
        tiles.append(Tile(title, shown, frozenset(np.unique(labels).tolist())))
    return compose_panel([tiles], SHAPES_CLASSES, SHAPES_PALETTE)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('docs/en/images/ops.png'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--index', type=int, default=0, help='number of the picture')
    parser.add_argument('--size', type=int, default=224, help='side in pixels')
    parser.add_argument('--cell', type=int, default=16, help='of the coarse grid')
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    panel = draw(args.seed, args.index, args.size, args.cell)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(panel).quantize(256, dither=Image.Dither.NONE)
    image.save(args.out, optimize=True)


if __name__ == '__main__':
    main()
