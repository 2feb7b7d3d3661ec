# Licensed under Apache-2.0.
"""The arithmetic of pictures: values to grey levels, turning, bands that are shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .picture_rule import PictureRule

#: EXIF orientations whose photo has its sides exchanged when it is upright
SIDEWAYS = (5, 6, 7, 8)


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation.

    Args:
        pixels: (H, W) or (H, W, N), as stored.
        orientation: 1..8 (EXIF 2.3, tag 0x0112); 1 and other numbers: as it is.

    Returns:
        The upright picture; (W, H, ...) for the orientations 5 to 8.
    """
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    mirrored = orientation in (2, 3, 6, 7)
    upside_down = orientation in (3, 4, 7, 8)
    return pixels[:: -1 if upside_down else 1, :: -1 if mirrored else 1]


def turn_back(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The inverse of :func:`turn_upright`."""
    return turn_upright(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(H, W) after :func:`turn_upright`."""
    return (size[1], size[0]) if orientation in SIDEWAYS else size


def to_levels(values: np.ndarray, ranges: Sequence[tuple[float, float]]) -> np.ndarray:
    """Values to 8 bits: low → 0, high → 255, linear between, cut off outside.

    Args:
        values: (H, W, N) numbers; those that aren't finite become 0.
        ranges: (low, high), one for all bands or one a band. A band whose low and high
            are equal becomes 0.

    Returns:
        (H, W, N) uint8, rounded to the nearest.
    """
    low, high = np.asarray(ranges, np.float64).T
    width = np.where(high > low, high - low, np.inf)
    scaled = (values.astype(np.float64) - low) / width * 255
    scaled = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0)
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


def share_outside(values: np.ndarray, ranges: Sequence[tuple[float, float]]) -> float:
    """Share of the finite values that lie outside of their range; 0 if there are none.

    Args:
        values: (H, W, N) numbers.
        ranges: (low, high), one for all bands or one a band.
    """
    low, high = np.asarray(ranges, np.float64).T
    finite = np.isfinite(values)
    outside = finite & ((values < low) | (values > high))
    return float(outside.sum() / max(finite.sum(), 1))


def percentile_ranges(
    values: np.ndarray, percentiles: tuple[float, float]
) -> list[tuple[float, float]]:
    """The percentiles of each band's finite values; (0, 0) for a band without any.

    Args:
        values: (H, W, N) numbers.
        percentiles: low and high, in 0..100.
    """
    found = []
    for band in np.moveaxis(values, -1, 0):
        finite = band[np.isfinite(band)]
        pair = np.percentile(finite, percentiles) if finite.size else (0.0, 0.0)
        found.append((float(pair[0]), float(pair[1])))
    return found


def shown_channels(count: int, rule: PictureRule) -> tuple[int, int, int]:
    """Which channels are shown as R, G and B.

    Args:
        count: channels that the network gets.
        rule: whose ``show_bands`` says it; else the first three, or the first alone
            where there are fewer.
    """
    if rule.show_bands is not None:
        red, green, blue = rule.show_bands
        return red, green, blue
    return (0, 1, 2) if count >= 3 else (0, 0, 0)
