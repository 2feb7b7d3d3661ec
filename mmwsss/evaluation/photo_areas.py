# Licensed under Apache-2.0.
"""The counts of every photo in a file, and how sure a difference of two runs is."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.atomic_file import write_atomic

from .areas import ClassAreas

_NAMES, _CLASSES = 'names', 'image_classes'


def write_photo_areas(
    names: Sequence[str],
    areas: Mapping[str, Sequence[ClassAreas]],
    path: str | Path,
    image_classes: Sequence[np.ndarray] = (),
) -> None:
    """Write the counts of each photo as NPZ: ``names`` (N,) and one array an output.

    Args:
        names: of the N photos.
        areas: output (``'seg'``, ``'cam'``, …) → its counts of each photo, stored as
            (N, 3, K) int64: correct, predicted and true pixels of each class.
        path: the file.
        image_classes: (2, 1, C) of each photo, 0 or 1 and the probability of each
            class, where the network says it.
    """
    arrays: dict[str, Any] = {_NAMES: np.asarray(names)}
    for name, of in areas.items():
        arrays[name] = np.stack([[a.correct, a.predicted, a.truth] for a in of])
    if image_classes:
        arrays[_CLASSES] = np.concatenate(image_classes, axis=1)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomic(buffer.getvalue(), path)


def read_photo_areas(path: str | Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names and counts that :func:`write_photo_areas` wrote.

    Raises:
        ValueError: if it is no such file.
    """
    try:
        arrays = _arrays(path)
        arrays.pop(_CLASSES, None)
        return arrays.pop(_NAMES).tolist(), arrays
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f'{path} holds no counts of photos ({error}): make it with '
            'tools/test.py --cfg-options test_evaluator.areas_file=FILE'
        ) from error


def read_image_classes(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Classes and probabilities of each photo, of a file of :func:`write_photo_areas`.

    Returns:
        (N, C) 0 or 1; (N, C) probabilities.

    Raises:
        ValueError: if the file holds none.
    """
    try:
        truth, probability = _arrays(path)[_CLASSES]
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f'{path} holds no probabilities of classes ({error}): test a network that '
            'has a classifier'
        ) from error
    return truth, probability


def _arrays(path: str | Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def mean_iou(areas: np.ndarray) -> np.ndarray:
    """Mean IoU (...) in percent over the classes in the truth of (..., 3, K) counts."""
    correct, predicted, truth = np.moveaxis(areas.astype(np.float64), -2, 0)
    union = predicted + truth - correct
    iou = np.divide(correct, union, out=np.zeros_like(union), where=union > 0)
    present = truth > 0
    return 100 * (iou * present).sum(-1) / np.maximum(present.sum(-1), 1)


@dataclass(frozen=True)
class Difference:
    """Mean IoU of one run minus that of another, in points.

    Attributes:
        value: on all photos.
        low, high: ends of the 95 % interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.value:+.1f} [{self.low:+.1f}, {self.high:+.1f}]'


def paired_difference(
    first: np.ndarray, second: np.ndarray, resamples: int = 5000, seed: int = 0
) -> Difference:
    """How much better the first run is, with a paired bootstrap interval over photos.

    Photos are drawn with replacement, the same ones for both runs, and the counts
    summed; the interval holds the middle 95 % of the differences (Efron and Tibshirani,
    An Introduction to the Bootstrap, 1993, section 13.3). It says what another choice
    of photos might have given, not another seed of the training.

    Args:
        first, second: (N, 3, K) counts of the same photos in the same order.
        resamples: how many times photos are drawn.
        seed: of the drawing.

    Raises:
        ValueError: if the shapes differ.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(
            f'counts of the same photos are needed, got {first.shape} and '
            f'{second.shape}'
        )
    num = len(first)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(num, np.full(num, 1 / num), size=resamples).astype(float)
    drawn = [
        mean_iou((times @ of.reshape(num, -1)).reshape(-1, *of.shape[1:]))
        for of in (first, second)
    ]
    low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5))
    value = mean_iou(first.sum(0)) - mean_iou(second.sum(0))
    return Difference(float(value), float(low), float(high))
