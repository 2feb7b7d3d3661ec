# Licensed under Apache-2.0.
"""Which class is taken for which, and which stand together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor


def confusion_counts(truth: Tensor, label: Tensor, num_classes: int) -> np.ndarray:
    """Pixels by true and predicted class of one label map.

    Args:
        truth: integer labels of any shape; only [0, ``num_classes``) counts.
        label: the same shape; only [0, ``num_classes``) counts.
        num_classes: K, background included.

    Returns:
        (K, K) int64; ``[t, p]``: pixels of class t that are predicted as p.

    Raises:
        ValueError: if the shapes differ.
    """
    if truth.shape != label.shape:
        raise ValueError(
            f'truth {tuple(truth.shape)} and label {tuple(label.shape)} differ in shape'
        )
    counted = (truth >= 0) & (truth < num_classes)
    counted &= (label >= 0) & (label < num_classes)
    cells = truth[counted].long() * num_classes + label[counted].long()
    table = torch.bincount(cells, minlength=num_classes**2)
    return table.view(num_classes, num_classes).cpu().numpy()


def pictures_together(
    labels: Iterable[Sequence[int]], num_foreground: int
) -> np.ndarray:
    """How many pictures hold both of two classes.

    Args:
        labels: channels 0..C-1 of each picture.
        num_foreground: C.

    Returns:
        (C, C) int64, symmetric; on the diagonal the pictures of each class.
    """
    found = [list(channels) for channels in labels]
    holds = np.zeros((len(found), num_foreground), np.int64)
    for row, channels in zip(holds, found, strict=True):
        row[channels] = 1
    return holds.T @ holds
