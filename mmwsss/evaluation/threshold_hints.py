# Licensed under Apache-2.0.
"""Thresholds of class maps from image labels alone: no mask is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np


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


def otsu_threshold(score: np.ndarray) -> float | None:
    """The threshold that splits one picture's scores best in two groups.

    The one with the largest variance between the groups (Otsu, IEEE Transactions on
    Systems, Man, and Cybernetics 9, 1979), on 256 levels.

    Args:
        score: (H, W) in [0, 1], the strongest of the classes that the picture holds.

    Returns:
        In [0, 1]: a pixel is of the upper group where its score is above; ``None``
        where all pixels are of one level.
    """
    levels = np.rint(255 * np.clip(score, 0, 1)).astype(np.uint8)
    if levels.min() == levels.max():
        return None
    level = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    return (level + 0.5) / 255


def hint_of(splits: Sequence[float]) -> ThresholdHint:
    """Thresholds for all pictures from the best split of each.

    ``bkg_thr`` is the mean of the splits. The other two lie half-way between it and the
    ends, so that what is nearer to the split than to an end is ignored.

    Args:
        splits: of the pictures, in (0, 1), see :func:`otsu_threshold`.

    Raises:
        ValueError: if there is none.
    """
    if not len(splits):
        raise ValueError('a threshold needs the maps of one picture at least, got none')
    middle = float(np.mean(splits))
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
