# Licensed under Apache-2.0.
"""Saliency maps of the Shapes benchmark, as imperfect as those of a saliency network.

Off-the-shelf saliency finds objects without knowing classes: it misses some, draws
boundaries beside the true ones, and takes some clutter for an object. A method that
learns from such maps has something to gain and something to withstand.

A map depends on ``(seed, index)`` and the scene alone; its random numbers are a stream
of their own, so that no picture or mask changes by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from .patterns import smooth_noise
from .scenes import ShapesScene

_STREAM = 5417  # tells this stream from that of the picture


@dataclass(frozen=True)
class SaliencyStyle:
    """How imperfect the maps are; lengths are shares of the picture's side.

    Attributes:
        missed: probability that the objects of a class aren't found.
        plain_found: probability that bodies without a class are taken for objects.
        clutter: probability of a spot where nothing is.
        shift: largest displacement of a found object.
        blur: radius over which a boundary is smeared.
        grow: spread of the boundary's level, 0.5 = in place; lower = outside.
        noise: amplitude of the boundary's wobble.
    """

    missed: float = 0.15
    plain_found: float = 0.5
    clutter: float = 0.2
    shift: float = 0.03
    blur: float = 0.03
    grow: float = 0.2
    noise: float = 0.18


def draw_saliency(
    scene: ShapesScene, seed: int, index: int, style: SaliencyStyle | None = None
) -> np.ndarray:
    """The saliency map of picture ``index`` of the data set ``seed``.

    Args:
        scene: that picture.
        seed, index: as for :func:`.shapes_generator.draw_scene`.
        style: how imperfect it is; the default is the published benchmark.

    Returns:
        (S, S) uint8, 255 = certainly salient.
    """
    style = style or SaliencyStyle()
    rng = np.random.default_rng((seed, index, _STREAM))
    regions = [(scene.mask == label, 1 - style.missed) for label in scene.labels]
    regions.append((scene.plain, style.plain_found))
    regions.append((_spot(rng, len(scene.mask)), style.clutter))
    total = np.zeros(scene.mask.shape, np.float32)
    for region, probability in regions:
        # drawn whether found or not, so that one choice doesn't move the next
        found, soft = rng.random() < probability, _soften(rng, region, style)
        if found and region.any():
            total = np.maximum(total, soft)
    return (255 * total).round().astype(np.uint8)


def _spot(rng: np.random.Generator, size: int) -> np.ndarray:
    """A disc somewhere, (S, S) bool."""
    y, x = rng.uniform(0, size, 2)
    radius = rng.uniform(0.06, 0.14) * size
    axis = np.arange(size)
    return np.hypot(axis[:, None] - y, axis[None] - x) < radius


def _soften(
    rng: np.random.Generator, region: np.ndarray, style: SaliencyStyle
) -> np.ndarray:
    """A region with its boundary displaced, wobbling and soft, (S, S) in [0, 1]."""
    size = len(region)
    reach = round(style.shift * size)
    dy, dx = (int(v) for v in rng.integers(-reach, reach + 1, 2))
    picture = Image.fromarray((255 * region).astype(np.uint8))
    moved = picture.transform(  # 0 comes in from outside
        picture.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy)
    )
    blurred = moved.filter(ImageFilter.GaussianBlur(style.blur * size))
    level = 0.5 + style.grow * rng.uniform(-1, 1)
    wobble = style.noise * smooth_noise(rng, size, 8)
    height = np.asarray(blurred, np.float32) / 255 - level + wobble
    peak = rng.uniform(0.75, 1.0)
    # nothing salient far from the region, however the wobble falls
    near = np.asarray(blurred) > 8
    return (near * peak / (1 + np.exp(-12 * height))).astype(np.float32)
