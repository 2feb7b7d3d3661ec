# Licensed under Apache-2.0.
"""Classes on few pictures: which ones they are, and how often they are to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

#: a class is rare below this share of the pictures of the most frequent one
RARE = 0.05
#: what helps, as options of tools/train.py
CLASS_BALANCED = 'train_dataloader.sampler.class_balanced=True'
POS_WEIGHT = 'model.losses.cls.pos_weight=balanced'


def rare_channels(counts: np.ndarray) -> list[int]:
    """Channels of the classes that are rare, but have a picture.

    Args:
        counts: (C,) pictures of each class.

    Example:
        >>> rare_channels(np.array([100, 4, 5, 0]))
        [1]
    """
    most = max(counts, default=0)
    return np.flatnonzero((counts > 0) & (counts < RARE * most)).tolist()


def usual_share(shares: np.ndarray) -> float:
    """The median share of the pictures over the classes that have any; 1 if none has.

    Args:
        shares: (C,) share of the pictures that hold a class, in [0, 1].
    """
    there = shares[shares > 0]
    return float(np.median(there)) if len(there) else 1.0


def class_factors(shares: np.ndarray, threshold: float) -> np.ndarray:
    """How often pictures of a class are to be drawn: ``max(1, sqrt(t / f))``.

    Repeat factors of LVIS (Gupta, Dollár and Girshick, LVIS: A Dataset for Large
    Vocabulary Instance Segmentation, CVPR 2019, section 5).

    Args:
        shares: (C,) share f of the pictures that hold a class, in [0, 1].
        threshold: t; classes on fewer pictures are drawn more often.

    Returns:
        (C,) float64, 1 or more; 1 for a class without a picture.

    Example:
        >>> class_factors(np.array([0.4, 0.01, 0.0]), 0.16).tolist()
        [1.0, 4.0, 1.0]
    """
    there = np.where(shares > 0, shares, threshold)
    return np.maximum(1.0, np.sqrt(threshold / there))


def picture_factors(
    labels: Sequence[Sequence[int]], of_classes: np.ndarray
) -> np.ndarray:
    """How often each picture is to be drawn: as its rarest class.

    Args:
        labels: channels 0..C-1 of each of N pictures; empty: no object.
        of_classes: (C,) factors of the classes.

    Returns:
        (N,) float64; 1 for a picture without an object.
    """
    factors = np.ones(len(labels))
    rows = np.repeat(np.arange(len(labels)), [len(items) for items in labels])
    channels = np.array([c for items in labels for c in items], np.int64)
    np.maximum.at(factors, rows, of_classes[channels])
    return factors


def draw_ends(factors: np.ndarray) -> np.ndarray:
    """Where the draws of each picture end in an epoch, for :func:`drawn`.

    The factors are stretched by less than one draw in all, so that every epoch has the
    same whole number of draws, and none of a picture with factor 1 is lost.

    Args:
        factors: (N,), 1 or more.

    Returns:
        (N,) float64, ascending; the last is the length of an epoch.
    """
    ends = np.cumsum(factors)
    length = np.ceil(ends[-1])
    ends *= length / ends[-1]
    ends[-1] = length
    return ends


def drawn(ends: np.ndarray, offset: float) -> np.ndarray:
    """The pictures of one epoch, each as often as its factor, rounded up or down.

    Systematic sampling: over all offsets a picture with factor 2.3 comes twice in 70 %
    of the epochs and three times in the others.

    Args:
        ends: of :func:`draw_ends`.
        offset: in [0, 1), drawn for the epoch.

    Returns:
        (L,) int64 indices of pictures, ascending; L is ``ends[-1]``.

    Example:
        >>> drawn(np.array([1.0, 3.5, 5.0]), 0.0).tolist()
        [0, 1, 1, 2, 2]
    """
    times = np.diff(np.floor(ends + offset), prepend=0).astype(np.int64)
    return np.repeat(np.arange(len(ends)), times)


def labels_of(dataset: Any) -> tuple[list[tuple[int, ...]], tuple[str, ...]]:
    """Image labels of a data set, or of a wrapper of some, and its foreground classes.

    Returns:
        Channels 0..C-1 of each picture, in the order of the data set; C names.

    Raises:
        ValueError: if it has no image labels.
    """
    try:
        infos = map(dataset.get_data_info, range(len(dataset)))
        labels = [tuple(info['gt_labels']) for info in infos]
        return labels, tuple(dataset.metainfo['classes'][1:])
    except (AttributeError, KeyError) as err:
        raise ValueError(
            f'{type(dataset).__name__} gives no image labels ({err}), by which '
            'pictures of rare classes could be drawn more often: leave out '
            'class_balanced of the sampler, or use a data set of mmwsss'
        ) from err
