# Licensed under Apache-2.0.
"""The random choices of image augmentation, without any image.

Each function takes ``rng``, a :class:`Rng`. The functions are kept by hand although
torchvision has some of the rules: its transforms draw from torch's generator and in
another order, so a seed would give other pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .functional import Box, Jitter

Range = tuple[float, float]
#: strengths of brightness, contrast, saturation and hue in DINO
DINO_JITTER = (0.4, 0.4, 0.2, 0.1)


class Rng(Protocol):
    """A source of randomness.

    It is a ``random.Random`` or the module :mod:`random` itself, which the data set
    seeds per sample.
    """

    def random(self) -> float:
        """A number in [0, 1)."""

    def uniform(self, a: float, b: float) -> float:
        """A number between a and b."""

    def randint(self, a: int, b: int) -> int:
        """A whole number from a to b, both included."""

    def shuffle(self, x: list[Any]) -> None:
        """Put a list in random order, in place."""


@dataclass(frozen=True)
class PhotoParams:
    """What is done to the colours of one view, in this order.

    Attributes:
        flip: mirror the view first.
        jitter: colour changes in their order, empty for none.
        grey: make it grey.
        radius: radius of the blur in pixels, None for none.
        solarise: invert bright values.
    """

    flip: bool = False
    jitter: Jitter = ()
    grey: bool = False
    radius: float | None = None
    solarise: bool = False


def chance(rng: Rng, probability: float) -> bool:
    """True with the given probability."""
    return rng.random() < probability


def draw_pad_crop(
    rng: Rng, shape: tuple[int, int], crop_size: tuple[int, int]
) -> tuple[tuple, tuple]:
    """Uniform place of the image on the canvas and of the crop on it.

    Args:
        rng: source of randomness.
        shape: ``(height, width)`` of the image.
        crop_size: ``(height, width)`` of the crop.

    Returns:
        ``(pad_yx, crop_yx)`` as :func:`.functional.pad_crop` takes them.
    """
    pad = tuple(
        rng.randint(0, max(crop - side, 0)) for side, crop in zip(shape, crop_size)
    )
    start = tuple(
        rng.randint(0, max(side - crop, 0)) for side, crop in zip(shape, crop_size)
    )
    return pad, start


def draw_area_box(
    rng: Rng,
    shape: tuple[int, int],
    area: Range,
    aspect: Range = (3 / 4, 4 / 3),
    attempts: int = 10,
) -> Box:
    """A box of random area and aspect inside the image (torchvision's rule).

    The aspect (width / height) is log-uniform. After ``attempts`` boxes that
    do not fit, the largest central box with an allowed aspect is taken.

    Args:
        rng: source of randomness.
        shape: ``(height, width)`` of the image.
        area: range of the box's share of the image's area.
        aspect: range of width / height.
        attempts: number of tries before the central box.

    Returns:
        ``(y0, y1, x0, x1)``, half-open.
    """
    height, width = shape
    for _ in range(attempts):
        pixels = height * width * rng.uniform(*area)
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        w = round(math.sqrt(pixels * ratio))
        h = round(math.sqrt(pixels / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = rng.randint(0, height - h), rng.randint(0, width - w)
            return top, top + h, left, left + w
    return _central_box(shape, aspect)


def _central_box(shape: tuple[int, int], aspect: Range) -> Box:
    """The largest central box whose aspect lies in the range."""
    height, width = shape
    h, w = height, width
    if width / height < aspect[0]:
        h = max(round(width / aspect[0]), 1)
    elif width / height > aspect[1]:
        w = max(round(height * aspect[1]), 1)
    top, left = (height - h) // 2, (width - w) // 2
    return top, top + h, left, left + w


def draw_jitter(
    rng: Rng,
    brightness: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    hue: float = 0.0,
) -> Jitter:
    """Colour changes in random order (torchvision's rule).

    Brightness, contrast and saturation give a factor U(1 - v, 1 + v), hue a
    shift U(-v, v); a strength of 0 leaves its step out.
    """
    steps = [
        (name, rng.uniform(max(1 - strength, 0), 1 + strength))
        for name, strength in (
            ('brightness', brightness),
            ('contrast', contrast),
            ('saturation', saturation),
        )
        if strength
    ]
    if hue:
        steps.append(('hue', rng.uniform(-hue, hue)))
    rng.shuffle(steps)
    return tuple(steps)


def draw_photo(
    rng: Rng,
    *,
    flip_prob: float = 0.5,
    jitter_prob: float = 0.8,
    jitter: Sequence[float] = DINO_JITTER,
    grey_prob: float = 0.2,
    blur_prob: float = 0.0,
    blur_radius: Range = (0.1, 2.0),
    solarise_prob: float = 0.0,
) -> PhotoParams:
    """Colours of one view in the manner of DINO.

    Args:
        rng: source of randomness.
        flip_prob: probability of a mirrored view.
        jitter_prob: probability of the colour jitter.
        jitter: strengths of brightness, contrast, saturation, hue.
        grey_prob: probability of a grey view.
        blur_prob: probability of the Gaussian blur.
        blur_radius: range of its radius in pixels.
        solarise_prob: probability of inverting bright values.
    """
    return PhotoParams(
        flip=chance(rng, flip_prob),
        jitter=draw_jitter(rng, *jitter) if chance(rng, jitter_prob) else (),
        grey=chance(rng, grey_prob),
        radius=rng.uniform(*blur_radius) if chance(rng, blur_prob) else None,
        solarise=chance(rng, solarise_prob),
    )
