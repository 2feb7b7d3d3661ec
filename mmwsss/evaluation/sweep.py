# Licensed under Apache-2.0.
"""Every background threshold of a CAM in one pass.

A CAM label at threshold t is ``where(score > t, label, 0)``. Only the score and class
of the best channel matter per pixel, so one histogram over (class, number of
thresholds below the score) holds the counts for all thresholds, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .areas import ClassAreas


def default_thresholds(step: float = 0.01) -> np.ndarray:
    """The grid 0.00, 0.01, ..., 1.00 as float32.

    CAM scores are float32, and both torch and numpy compare a float32 array with a
    Python number in float32; so the grid is rounded to float32 first.
    """
    count = round(1 / step)
    return np.round(np.arange(count + 1) * step, 6).astype(np.float32)


@dataclass
class SweepHistogram:
    """Pixels by class and by the number of thresholds below their score.

    Attributes:
        classes: Sorted ids of the foreground classes that have rows, (R,) int64.
        predicted: (R, N+1) int64; ``[r, b]`` = pixels labelled ``classes[r]`` whose
            score exceeds exactly b of the N thresholds.
        correct: (R, N+1) int64; those of them whose truth is that class.
        background: (N+1,) int64; pixels with truth 0, by b.
        truth: Pixels per true class, (K,) int64.
    """

    classes: np.ndarray
    predicted: np.ndarray
    correct: np.ndarray
    background: np.ndarray
    truth: np.ndarray

    @classmethod
    def empty(cls, num_classes: int, thresholds: int) -> SweepHistogram:
        """A dense one without a pixel, to add others to."""
        table = (num_classes, thresholds + 1)
        return cls(
            np.arange(num_classes),
            np.zeros(table, np.int64),
            np.zeros(table, np.int64),
            np.zeros(thresholds + 1, np.int64),
            np.zeros(num_classes, np.int64),
        )

    def areas(self, index: int) -> ClassAreas:
        """Counts for threshold number ``index`` of the grid."""
        total = ClassAreas.zeros(len(self.truth))
        total.predicted[self.classes] = self.predicted[:, index + 1 :].sum(1)
        total.correct[self.classes] = self.correct[:, index + 1 :].sum(1)
        total.truth += self.truth
        total.valid = int(self.truth.sum())
        total.predicted[0] = total.valid - total.predicted[1:].sum()
        total.correct[0] = self.background[: index + 1].sum()
        return total

    def dense(self) -> SweepHistogram:
        """The same with a row for every class 0..K−1, to add others to."""
        found = SweepHistogram.empty(len(self.truth), len(self.background) - 1)
        found += self
        return found

    def __iadd__(self, other: SweepHistogram) -> SweepHistogram:
        """Add a histogram whose rows are a subset; ``self`` must be dense."""
        self.predicted[other.classes] += other.predicted
        self.correct[other.classes] += other.correct
        self.background += other.background
        self.truth += other.truth
        return self


def sweep_histogram(
    truth: Tensor,
    score: Tensor,
    label: Tensor,
    num_classes: int,
    thresholds: np.ndarray,
) -> SweepHistogram:
    """Histogram of one image, on whatever device it lies.

    Args:
        truth: Integer labels (H, W); only [0, ``num_classes``) counts.
        score: CAM score of the best class (H, W), float; compared as float32. NaN
            exceeds no threshold.
        label: Its class id 1..K−1 (H, W), integer; 0 where there is none.
        num_classes: K, background included.
        thresholds: Increasing (N,), float32.

    Returns:
        Rows for the classes that occur in ``label`` only.

    Raises:
        ValueError: Shapes differ, thresholds don't increase or a label is out
            of range.
    """
    if not truth.shape == score.shape == label.shape:
        raise ValueError(
            f'truth {tuple(truth.shape)}, score {tuple(score.shape)} and '
            f'label {tuple(label.shape)} differ in shape'
        )
    if np.any(np.diff(thresholds) <= 0):
        raise ValueError(f'thresholds must increase, got {thresholds}')
    counted = (truth >= 0) & (truth < num_classes)
    truth, label = truth[counted].long(), label[counted].long()
    if label.numel() and not 0 <= int(label.min()) <= int(label.max()) < num_classes:
        raise ValueError(
            f'CAM labels lie in [{int(label.min())}, {int(label.max())}], '
            f'outside [0, {num_classes})'
        )
    values = score[counted].float()
    values = values.masked_fill((label == 0) | values.isnan(), float('-inf'))
    grid = torch.as_tensor(thresholds, dtype=torch.float32, device=values.device)
    # number of thresholds t with value > t (boundaries strictly below the value)
    below = torch.bucketize(values, grid, right=False)
    return _count(truth, label, below, num_classes, len(thresholds) + 1)


def _count(
    truth: Tensor, label: Tensor, below: Tensor, num_classes: int, bins: int
) -> SweepHistogram:
    classes = torch.unique(label)
    row = torch.bucketize(label, classes)
    cell, size = row * bins + below, len(classes) * bins
    predicted = torch.bincount(cell, minlength=size)
    correct = torch.bincount(cell[truth == label], minlength=size)
    background = torch.bincount(below[truth == 0], minlength=bins)
    areas = torch.bincount(truth, minlength=num_classes)
    table = (len(classes), bins)
    return SweepHistogram(
        classes.cpu().numpy(),
        predicted.view(table).cpu().numpy(),
        correct.view(table).cpu().numpy(),
        background.cpu().numpy(),
        areas.cpu().numpy(),
    )
