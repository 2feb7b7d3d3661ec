# Licensed under Apache-2.0.
"""Pixel counts per class: all that IoU and its relatives need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass
class ClassAreas:
    """Pixel counts per class over one or many images.

    Attributes:
        correct: TP, pixels where prediction and truth are this class, (K,) int64.
        predicted: P, pixels predicted as this class, (K,) int64.
        truth: T, pixels of this class in the truth, (K,) int64.
        valid: Pixels with a valid truth, labelled by the prediction or not.
    """

    correct: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    valid: int = 0

    @classmethod
    def zeros(cls, num_classes: int) -> ClassAreas:
        """No pixels yet."""
        return cls(*np.zeros((3, num_classes), np.int64))

    def __iadd__(self, other: ClassAreas) -> ClassAreas:
        self.correct += other.correct
        self.predicted += other.predicted
        self.truth += other.truth
        self.valid += other.valid
        return self


def areas_from_labels(
    truth: Tensor, prediction: Tensor, num_classes: int
) -> ClassAreas:
    """Per-class areas of one label map, on whatever device it lies.

    Pixels whose truth lies outside [0, ``num_classes``) don't count at all. Pixels
    whose prediction does (255, "ignored", in a pseudo label) count in ``valid`` only:
    a pseudo label is judged where it says something.

    Args:
        truth: Integer labels of any shape.
        prediction: Integer labels, same shape.
        num_classes: K, background included.

    Returns:
        Counts as numpy arrays.

    Raises:
        ValueError: Shapes differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(
            f'truth {tuple(truth.shape)} and prediction '
            f'{tuple(prediction.shape)} differ in shape: predictions must '
            'come at the size of the label'
        )
    valid = (truth >= 0) & (truth < num_classes)
    said = valid & (prediction >= 0) & (prediction < num_classes)
    t, p = truth[said].long(), prediction[said].long()
    counts = (
        torch.stack(
            [
                torch.bincount(t[t == p], minlength=num_classes),
                torch.bincount(p, minlength=num_classes),
                torch.bincount(t, minlength=num_classes),
            ]
        )
        .cpu()
        .numpy()
    )
    return ClassAreas(counts[0], counts[1], counts[2], int(valid.sum()))
