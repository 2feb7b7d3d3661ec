# Licensed under Apache-2.0.
"""Thresholds of class maps from image labels alone: no mask is read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .sweep import default_thresholds


class ThresholdHint(NamedTuple):
    """Thresholds of maps in [0, 1]; ``0 <= low_thr <= bkg_thr <= high_thr <= 1``.

    Attributes:
        bkg_thr: up to here a pixel is background, above it is an object.
        low_thr: up to here it is surely background.
        high_thr: above, it surely belongs to a class.
    """

    bkg_thr: float
    low_thr: float
    high_thr: float


def agreement_curve(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """How well two views of a picture agree at each threshold, beyond chance.

    Cohen's kappa (Educational and Psychological Measurement 20, 1960) of "is an object"
    in both: with o the share of pixels on which they agree and e the share on which two
    maps of these areas would agree by chance, (o - e) / (1 - e). Raw agreement would be
    best where everything, or nothing, is an object.

    Args:
        first, second: (H, W) in [0, 1], the strongest of the classes that the picture
            holds, of the two views.

    Returns:
        (101,) float64 for the thresholds 0.00, 0.01, ..., 1.00: 1 equal, 0 as by
        chance, and 0 where neither view tells two groups apart.

    Raises:
        ValueError: if the sizes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f'two views differ in size: {first.shape}, {second.shape}')
    grid = default_thresholds()
    bins = len(grid) + 1
    # number of thresholds below each pixel's score, in both views at once
    rows, columns = (
        np.searchsorted(grid, one.astype(np.float32).ravel()) for one in (first, second)
    )
    table = np.bincount(rows * bins + columns, minlength=bins * bins)
    shares = table.reshape(bins, bins) / first.size
    above = shares[::-1, ::-1].cumsum(0).cumsum(1)[::-1, ::-1]
    both, one, other = np.diag(above)[1:], above[1:, 0], above[0, 1:]
    agree = 1 - one - other + 2 * both
    chance = one * other + (1 - one) * (1 - other)
    told = 1 - chance > 1e-9
    return np.divide(agree - chance, 1 - chance, np.zeros(len(grid)), where=told)


def hint_of(curve: np.ndarray) -> ThresholdHint:
    """Thresholds for all pictures.

    ``bkg_thr`` is where two views of them agree best; the other two lie half-way
    between it and the ends, so that what is nearer to it than to an end is ignored.

    Args:
        curve: (101,) mean of :func:`agreement_curve` over the pictures.
    """
    middle = float(default_thresholds()[int(curve.argmax())])
    rounded = (round(value, 2) for value in (middle, middle / 2, (1 + middle) / 2))
    return ThresholdHint(*rounded)


def quantile_points(maps: np.ndarray, count: int = 200) -> np.ndarray:
    """A few values that stand for all pixels of each map.

    Args:
        maps: (K, h, w).
        count: how many, at even steps of the sorted pixels.

    Returns:
        (K, ``count``) float32, ascending.
    """
    at = (np.arange(count) + 0.5) / count
    flat = maps.reshape(len(maps), -1)
    return np.quantile(flat, at, axis=1).T.astype(np.float32)


def class_scales(peaks: np.ndarray, present: np.ndarray) -> np.ndarray:
    """What a class reaches where it is: the scale for its maps where it is not.

    A map that is divided by its own maximum reaches 1 whether the class is there or
    not; one divided by this scale does so only if the class seems to be there.

    Args:
        peaks: (N, C) largest activation of each class in each picture, not normalised.
        present: (N, C) bool, the image labels.

    Returns:
        (C,) median over the pictures that hold the class; NaN where none does, or where
        it is 0.
    """
    held = np.where(present, peaks, np.nan)
    scales = np.full(peaks.shape[1], np.nan)
    known = present.any(0)
    scales[known] = np.nanmedian(held[:, known], axis=0)
    scales[scales <= 0] = np.nan
    return scales
