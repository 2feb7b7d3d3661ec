# Licensed under Apache-2.0.
"""Random pictures for the dense CRF, and pydensecrf's marginals of them.

Where pydensecrf is installed, the stored marginals are made by ::

    python -m tests.helpers.crf_pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmwsss.ops import DENSE_CRF_PRESETS

__all__ = ['STORED_SEEDS', 'Picture', 'draw', 'library_marginals', 'stored']

STORED = Path(__file__).parents[1] / 'data' / 'pydensecrf' / 'blocks.npz'
STORED_SEEDS = (8, 13, 26, 41, 55, 91, 117, 182)
KINDS = ('bright', 'dark corner', 'dark', 'black corner')
PRESETS = ('toco_seg', 'toco_cam', 'deeplab', 'psa', 'irn')


class Picture(NamedTuple):
    """A picture, energies of its labels and settings of the CRF.

    Attributes:
        image: (3, H, W) uint8.
        unary: (n, H, W) float32.
        preset: Key of ``DENSE_CRF_PRESETS``.
        kind: One of ``KINDS``.
    """

    image: Tensor
    unary: Tensor
    preset: str
    kind: str


def draw(seed: int) -> Picture:
    """H * W mod 4 is ``seed`` mod 4; kinds and presets take turns."""
    rng = np.random.default_rng(seed)
    height, width = 0, 0
    while height * width % 4 != seed % 4 or height == 0:
        height, width = rng.integers(5, 48, 2)
    kind = KINDS[seed // 4 % len(KINDS)]
    preset = PRESETS[seed // 4 // len(KINDS) % len(PRESETS)]
    sigma = float(DENSE_CRF_PRESETS[preset]['bi_rgb_std'])
    return Picture(
        torch.from_numpy(_colours(rng, kind, sigma, height, width)),
        torch.from_numpy(_energies(rng, height, width)),
        preset,
        kind,
    )


def _colours(
    rng: np.random.Generator, kind: str, sigma: float, height: int, width: int
) -> Any:
    colours = 128 + 60 * _noise(rng, 3, height, width)
    if kind != 'bright':
        # Pixels near feature 0, not in it: there the library's vertices differ.
        dark = rng.uniform(0, 2, (3, 1, 1)) + _noise(rng, 3, height, width)
        y, x = (height, width) if kind == 'dark' else (height // 2 + 1, width // 2 + 1)
        black = kind == 'black corner'
        colours[:, :y, :x] = 0 if black else sigma * dark[:, :y, :x]
    return colours.round().clip(0, 255).astype(np.uint8)


def _energies(rng: np.random.Generator, height: int, width: int) -> Any:
    labels = int(rng.integers(2, 8))
    energies = 8 * _noise(rng, labels, height, width)
    return (energies - energies.min(axis=0)).astype(np.float32)


def _noise(rng: np.random.Generator, count: int, height: int, width: int) -> Any:
    """(count, H, W) of deviation 1, coarse scales strongest, as in photographs."""
    total = np.zeros((count, height, width))
    for step in (1, 2, 4, 8, 16, 32):
        coarse = rng.normal(size=(count, height // step + 1, width // step + 1))
        fine = coarse.repeat(step, axis=1).repeat(step, axis=2)
        total += step * fine[:, :height, :width]
    return total / 37  # root of the sum of the steps' squares


def library_marginals(picture: Picture) -> Tensor:
    """Q (n, H, W) of pydensecrf, which must be installed."""
    from pydensecrf.densecrf import DenseCRF2D

    labels, height, width = picture.unary.shape
    params = DENSE_CRF_PRESETS[picture.preset]
    crf = DenseCRF2D(width, height, labels)
    crf.setUnaryEnergy(picture.unary.reshape(labels, -1).numpy())
    crf.addPairwiseGaussian(sxy=params['pos_xy_std'], compat=params['pos_w'])
    crf.addPairwiseBilateral(
        sxy=params['bi_xy_std'],
        srgb=params['bi_rgb_std'],
        rgbim=picture.image.permute(1, 2, 0).contiguous().numpy(),
        compat=params['bi_w'],
    )
    marginals = np.ascontiguousarray(crf.inference(params['iter_max']))
    return torch.from_numpy(marginals).view(picture.unary.shape)


def stored(seed: int) -> tuple[Picture, Tensor]:
    """One of ``STORED_SEEDS`` and pydensecrf's Q (n, H, W) of it."""
    with np.load(STORED) as arrays:
        image, unary, preset, marginals = (
            arrays[f'{seed}/{name}'] for name in ('image', 'unary', 'preset', 'Q')
        )
    maps = [torch.from_numpy(array) for array in (image, unary, marginals)]
    return Picture(*maps[:2], str(preset), 'stored'), maps[2]


def main() -> None:
    """Write the stored marginals."""
    arrays = {}
    for seed in STORED_SEEDS:
        picture = draw(seed)
        arrays[f'{seed}/image'] = picture.image.numpy()
        arrays[f'{seed}/unary'] = picture.unary.numpy()
        arrays[f'{seed}/preset'] = np.array(picture.preset)
        arrays[f'{seed}/Q'] = library_marginals(picture).numpy()
    STORED.parent.mkdir(exist_ok=True)
    np.savez_compressed(STORED, **arrays)


if __name__ == '__main__':
    main()
