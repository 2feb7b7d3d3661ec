# Licensed under Apache-2.0.
"""Textures, outlines and backgrounds the Shapes generator is made of.

Pure numpy/PIL functions over whole pixel grids; nothing here knows classes,
scenes or files. Patterns are float32 in [-1, 1], outlines are boundary radii.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

Pattern = Callable[[np.ndarray, np.ndarray], np.ndarray]
TAU = np.float32(2 * np.pi)


def stripes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Parallel stripes."""
    return np.sin(TAU * u)


def dots(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bright discs on a square lattice."""
    wave = np.cos(TAU * u) + np.cos(TAU * v)
    return np.clip(2.5 * (wave - 0.55), -1, 1)


def check(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Chequerboard with squares of half a period."""
    return np.clip(3 * np.sin(TAU * u) * np.sin(TAU * v), -1, 1)


def rings(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Small concentric circles, repeated every 2.2 periods."""
    side = np.float32(2.2)
    du, dv = u - side * np.round(u / side), v - side * np.round(v / side)
    return np.cos(TAU * np.hypot(du, dv))


def zigzag(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Stripes folded into a zigzag."""
    fold = np.abs(v - np.round(v / 2) * 2) * 1.2
    return np.sin(TAU * (u + fold))


def grid(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Thin bright lines crossing at right angles."""
    lines = np.maximum(np.cos(TAU * u), np.cos(TAU * v))
    return np.clip(3 * (lines - 0.65), -1, 1)


def dashes(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Short strokes in staggered rows (pretraining only)."""
    shift = 0.5 * (np.round(v * 1.2) % 2)
    return np.clip(3 * np.cos(TAU * v * 1.2) * np.cos(TAU * (u / 2 + shift)), -1, 1)


def waves(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Stripes bent by a slow sine (pretraining only)."""
    return np.sin(TAU * (u + 0.5 * np.sin(TAU * v / 2.5)))


def bricks(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Dark mortar lines of a brick wall (pretraining only)."""
    row = np.round(v)
    shifted = u / 1.6 + 0.5 * (row % 2)
    joint = np.maximum(np.cos(TAU * (v - 0.5)), np.cos(TAU * shifted) - 0.1)
    return np.clip(-3 * (joint - 0.65), -1, 1)


def triangles(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Three crossing waves: a triangular lattice (pretraining only)."""
    half, high = np.float32(0.5), np.float32(0.866)
    wave = np.cos(TAU * u) + np.cos(TAU * (half * u + high * v))
    return (wave + np.cos(TAU * (half * u - high * v))) / 2 - np.float32(0.25)


PATTERNS: dict[str, Pattern] = {
    f.__name__: f
    for f in (
        stripes, dots, check, rings, zigzag, grid, dashes, waves, bricks, triangles,
    )
}  # fmt: skip


def _polygon(theta: np.ndarray, sides: int) -> np.ndarray:
    step = 2 * np.pi / sides
    return np.cos(step / 2) / np.cos(np.mod(theta, step) - step / 2)


def blob(theta: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Round outline with soft bumps."""
    bumps = wobble[0] * np.cos(2 * theta) + wobble[1] * np.cos(3 * theta + 1)
    return 0.95 * (1 + 0.9 * bumps)


def box(theta: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Rounded rectangle (a superellipse)."""
    wide, high = 1 + wobble[0], 0.85 + wobble[1]
    cos, sin = np.abs(np.cos(theta)) / wide, np.abs(np.sin(theta)) / high
    return (cos**6 + sin**6) ** (-1 / 6)


def wedge(theta: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Triangle with slightly rounded corners."""
    return np.minimum(1.35 * _polygon(theta, 3), 1.15) * (1 + 0.4 * wobble[0])


def star(theta: np.ndarray, wobble: np.ndarray) -> np.ndarray:
    """Five-pointed star with soft points (pretraining only)."""
    return 0.9 * (1 + (0.28 + wobble[0]) * np.cos(5 * theta))


OUTLINES: dict[str, Pattern] = {f.__name__: f for f in (blob, box, wedge, star)}


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Random grid of ``cells`` x ``cells`` values enlarged smoothly.

    Returns:
        (size, size) float32, unit variance before enlarging.
    """
    values = rng.standard_normal((cells, cells)).astype(np.float32)
    resized = Image.fromarray(values).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized)
