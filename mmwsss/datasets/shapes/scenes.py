# Licensed under Apache-2.0.
"""Draws the pictures of the Shapes benchmark: image, mask and image labels.

Each object is a *body* (an outline shared by two classes, filled with one
random colour and a faint version of its class's texture) with a small
*discriminative part* inside it that carries the texture at full strength. The
background is cluttered and textured, plain bodies without a class stand in it
as distractors, two classes like to appear together and one class prefers a
certain background. A classifier therefore needs only the part, some context
helps it, and the body has to be found with the faint evidence.

Every picture depends on ``(seed, index)`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .patterns import OUTLINES, PATTERNS, smooth_noise

# (texture, body) of the classes 1..6; two classes share each body.
CLASS_LOOKS: tuple[tuple[str, str], ...] = (
    ('stripes', 'blob'),
    ('dots', 'blob'),
    ('check', 'box'),
    ('rings', 'box'),
    ('zigzag', 'wedge'),
    ('grid', 'wedge'),
)
SHAPES_CLASSES: tuple[str, ...] = ('background',) + tuple(t for t, _ in CLASS_LOOKS)
SHAPES_PALETTE: tuple[tuple[int, int, int], ...] = (
    (0, 0, 0),
    (230, 85, 75),
    (70, 130, 220),
    (90, 180, 90),
    (235, 190, 60),
    (160, 95, 200),
    (70, 195, 200),
)
COMPANIONS = {1: 3, 3: 1}  # stripes and check like to appear together
AT_HOME = 5  # zigzag prefers the banded background


@dataclass(frozen=True)
class ShapesStyle:
    """How hard the pictures are; lengths are shares of the picture's side.

    Attributes:
        radius: smallest and largest object radius.
        part_radius: radius of the discriminative part over the object's.
        part_contrast: amplitude of the texture in the part (grey levels).
        body_contrast: amplitude of the same texture in the body.
        period: texture period in pixels.
        noise: standard deviation of the pixel noise (grey levels).
        clutter: mean number of strokes and pebbles in the background.
        distractors: mean number of plain bodies without a class.
        counts: probabilities of 1, 2, 3 objects.
        companion: probability that a companion class follows its partner.
        at_home: probability of the preferred background for ``AT_HOME``.
        min_visible: smallest share of an object that must stay uncovered.
    """

    radius: tuple[float, float] = (0.17, 0.29)
    part_radius: tuple[float, float] = (0.38, 0.48)
    part_contrast: float = 70.0
    body_contrast: float = 30.0
    period: tuple[float, float] = (5.5, 7.0)
    noise: float = 7.0
    clutter: float = 8.0
    distractors: float = 0.5
    counts: tuple[float, float, float] = (0.4, 0.4, 0.2)
    companion: float = 0.5
    at_home: float = 0.6
    min_visible: float = 0.6


@dataclass(frozen=True)
class ShapesScene:
    """One drawn picture.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) uint8 class ids, 0 = background.
        part: (S, S) bool, the discriminative parts (never used in training).
        plain: (S, S) bool, what is to be seen of the bodies without a class.
        labels: class ids present in ``mask``, ascending.
    """

    image: np.ndarray
    mask: np.ndarray
    part: np.ndarray
    plain: np.ndarray
    labels: tuple[int, ...]


@dataclass(frozen=True)
class _Body:
    """An object's coverage of the canvas and its local coordinates."""

    alpha: np.ndarray  # (S, S) float32 in [0, 1]
    part: np.ndarray  # (S, S) float32 in [0, 1], inside alpha
    u: np.ndarray  # (S, S) rotated coordinates in texture periods
    v: np.ndarray


def draw_scene(
    seed: int, index: int, size: int = 96, style: ShapesStyle | None = None
) -> ShapesScene:
    """Draw picture ``index`` of the data set ``seed``.

    Args:
        seed: data set seed, >= 0.
        index: picture number, >= 0.
        size: side of the square picture in pixels, >= 32.
        style: difficulty; the default is the published benchmark.

    Raises:
        ValueError: for a negative seed or index or a size below 32.
    """
    style = style or ShapesStyle()
    rng = _generator(seed, index, size)
    classes = _draw_classes(rng, style)
    canvas, plain = _background(rng, size, style, _background_kind(rng, classes, style))
    mask = np.zeros((size, size), np.uint8)
    part = np.zeros((size, size), bool)
    for cls in classes:
        body = _place(rng, size, style, CLASS_LOOKS[cls - 1][1], mask)
        _paint(rng, canvas, body, CLASS_LOOKS[cls - 1][0], style)
        inside = body.alpha >= 0.5
        mask[inside] = cls
        part = (part & ~inside) | (inside & (body.part >= 0.5))
    image = _finish(rng, canvas, style)
    labels = tuple(int(c) for c in np.unique(mask) if c)
    return ShapesScene(image, mask, part, plain & (mask == 0), labels)


# Object-centred pictures, as ImageNet's are: large, alone, nothing that misleads.
SINGLE_STYLE = ShapesStyle(radius=(0.24, 0.42), distractors=0.0)
PRETRAIN_LABELS: tuple[tuple[str, str], ...] = tuple(
    (texture, body) for texture in PATTERNS for body in OUTLINES
)


def draw_single(
    seed: int, index: int, size: int = 96, style: ShapesStyle | None = None
) -> tuple[np.ndarray, int]:
    """Draw a single-object picture, the stand-in for an ImageNet picture.

    Any of the 10 textures comes on any of the 4 outlines, so the label space is
    larger than the benchmark's, as ImageNet's is larger than VOC's. The default
    style is ``SINGLE_STYLE``.

    Returns:
        (S, S, 3) uint8 RGB image and its label, an index into
        ``PRETRAIN_LABELS``.
    """
    style = style or SINGLE_STYLE
    rng = _generator(seed, index, size)
    label = int(rng.integers(len(PRETRAIN_LABELS)))
    texture, outline = PRETRAIN_LABELS[label]
    canvas, _ = _background(rng, size, style, int(rng.integers(4)))
    nothing = np.zeros((size, size), np.uint8)
    body = _place(rng, size, style, outline, nothing)
    _paint(rng, canvas, body, texture, style)
    return _finish(rng, canvas, style), label


def draw_empty(
    seed: int, index: int, size: int = 96, style: ShapesStyle | None = None
) -> np.ndarray:
    """Draw a background with clutter and plain bodies but no object of a class.

    Returns:
        (S, S, 3) uint8 RGB image.
    """
    style = style or ShapesStyle(distractors=1.0)
    rng = _generator(seed, index, size)
    canvas, _ = _background(rng, size, style, int(rng.integers(4)))
    return _finish(rng, canvas, style)


def _generator(seed: int, index: int, size: int) -> np.random.Generator:
    if seed < 0 or index < 0:
        raise ValueError(f'seed and index must be >= 0, got {seed} and {index}')
    if size < 32:
        raise ValueError(f'size must be at least 32 pixels, got {size}')
    return np.random.default_rng((seed, index))


def _draw_classes(rng: np.random.Generator, style: ShapesStyle) -> list[int]:
    count = int(rng.choice(3, p=style.counts)) + 1
    classes = [int(rng.integers(1, len(SHAPES_CLASSES)))]
    while len(classes) < count:
        partner = COMPANIONS.get(classes[-1])
        if partner and partner not in classes and rng.random() < style.companion:
            classes.append(partner)
        else:
            classes.append(int(rng.integers(1, len(SHAPES_CLASSES))))
    return classes


def _background_kind(
    rng: np.random.Generator, classes: list[int], style: ShapesStyle
) -> int:
    if AT_HOME in classes and rng.random() < style.at_home:
        return 3
    return int(rng.integers(4))


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(55, 200, 3).astype(np.float32)


def _pixel_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.arange(size, dtype=np.float32)
    return axis[:, None], axis[None, :]


def _background(
    rng: np.random.Generator, size: int, style: ShapesStyle, kind: int
) -> tuple[np.ndarray, np.ndarray]:
    """Colour clouds, a texture of one of four kinds, then clutter.

    Returns:
        The canvas, and where plain bodies stand on it.
    """
    canvas = np.empty((size, size, 3), np.float32)
    canvas[:] = _colour(rng)
    cells = (3, 6, 12, 4)[kind]
    for channel in range(3):
        canvas[..., channel] += 18 * smooth_noise(rng, size, cells)
    canvas += 10 * smooth_noise(rng, size, size // 4)[..., None]
    if kind == 3:
        y, x = _pixel_grid(size)
        angle = rng.uniform(-0.3, 0.3)
        bands = np.sin((y * np.cos(angle) + x * np.sin(angle)) * (28 / size))
        canvas += 22 * bands[..., None]
    for _ in range(rng.poisson(style.clutter)):
        _clutter(rng, canvas)
    plain = np.zeros((size, size), bool)
    for _ in range(rng.poisson(style.distractors)):
        outline = ('blob', 'box', 'wedge')[int(rng.integers(3))]
        body = _body(rng, size, style, outline, rng.uniform(0, size, 2))
        _blend(canvas, body.alpha, _colour(rng))
        plain |= body.alpha >= 0.5
    return canvas, plain


def _clutter(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A stroke or a pebble: an elongated or round soft spot of one colour."""
    size = canvas.shape[0]
    y, x = _pixel_grid(size)
    cy, cx = rng.uniform(0, size, 2)
    angle = rng.uniform(0, np.pi)
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
    length, width = rng.uniform(0.02, 0.25) * size, rng.uniform(0.01, 0.035) * size
    distance = np.hypot(along / length, across / width)
    alpha = np.clip((1 - distance) * width + 0.5, 0, 1)
    _blend(canvas, rng.uniform(0.5, 1) * alpha, _colour(rng))


def _blend(canvas: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> None:
    canvas += alpha[..., None] * (colour - canvas)


def _place(
    rng: np.random.Generator,
    size: int,
    style: ShapesStyle,
    outline: str,
    mask: np.ndarray,
    tries: int = 12,
) -> _Body:
    """Find a place that leaves the objects drawn before visible.

    Of ``tries`` places the first that covers little of any earlier object is
    taken, else the one that covers least.
    """
    best, best_cover = None, np.inf
    before = np.bincount(mask.ravel(), minlength=len(SHAPES_CLASSES))
    for _ in range(tries):
        centre = rng.uniform(0.18, 0.82, 2) * size
        body = _body(rng, size, style, outline, centre)
        hidden = np.bincount(mask[body.alpha >= 0.5], minlength=before.size)
        cover = (hidden / np.maximum(before, 1))[1:].max()
        if cover < best_cover:
            best, best_cover = body, cover
        if cover <= (1 - style.min_visible) / 2:
            break
    assert best is not None
    return best


def _body(
    rng: np.random.Generator,
    size: int,
    style: ShapesStyle,
    outline: str,
    centre: np.ndarray,
) -> _Body:
    y, x = _pixel_grid(size)
    radius = rng.uniform(*style.radius) * size
    angle = rng.uniform(0, 2 * np.pi)
    wobble = rng.uniform(-0.15, 0.15, 2)
    dy, dx = y - centre[0], x - centre[1]
    distance = np.hypot(dy, dx)
    border = radius * OUTLINES[outline](np.arctan2(dy, dx) - angle, wobble)
    alpha = np.clip(border - distance + 0.5, 0, 1).astype(np.float32)
    part_radius = rng.uniform(*style.part_radius) * radius
    reach = max(0.75 * radius - part_radius, 0)
    towards = rng.uniform(0, 2 * np.pi)
    py, px = np.sin(towards) * reach, np.cos(towards) * reach
    part = np.clip(part_radius - np.hypot(dy - py, dx - px) + 0.5, 0, 1)
    period = rng.uniform(*style.period)
    turn = rng.uniform(0, 2 * np.pi)
    u = (dx * np.cos(turn) + dy * np.sin(turn)) / period
    v = (dy * np.cos(turn) - dx * np.sin(turn)) / period
    return _Body(alpha, np.minimum(part, alpha).astype(np.float32), u, v)


def _paint(
    rng: np.random.Generator,
    canvas: np.ndarray,
    body: _Body,
    texture: str,
    style: ShapesStyle,
) -> None:
    """Fill the body with a colour and its texture, strong in the part only."""
    pattern = PATTERNS[texture](body.u, body.v).astype(np.float32)
    strength = style.body_contrast + body.part * (
        style.part_contrast - style.body_contrast
    )
    tint = rng.uniform(0.75, 1.0, 3).astype(np.float32)
    fill = _colour(rng) + (strength * pattern)[..., None] * tint
    canvas += body.alpha[..., None] * (fill - canvas)


def _finish(
    rng: np.random.Generator, canvas: np.ndarray, style: ShapesStyle
) -> np.ndarray:
    """Light gradient and pixel noise, then rounding to 8 bits."""
    size = canvas.shape[0]
    light = 1 + 0.12 * np.clip(smooth_noise(rng, size, 2), -1.5, 1.5)
    noise = style.noise * rng.standard_normal(canvas.shape, dtype=np.float32)
    return np.clip(canvas * light[..., None] + noise, 0, 255).round().astype(np.uint8)
