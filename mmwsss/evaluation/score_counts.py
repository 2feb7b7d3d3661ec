# Licensed under Apache-2.0.
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .areas import ClassAreas
from .sweep import default_thresholds


class ScoreCounts:
    """Pixels by class and score, from which labels of any two thresholds are scored.

    A label is background up to the low threshold, the strongest class above the high
    one, and ignored between. With both equal nothing is ignored.

    Args:
        num_classes: C + 1, background included.
    """

    def __init__(self, num_classes: int) -> None:
        self.grid = default_thresholds()
        shape = (num_classes, len(self.grid) + 1)
        #: [c, b]: pixels of the strongest class c, of those the right ones, and pixels
        #: of the true class c, whose score exceeds exactly b thresholds of the grid
        self.strongest, self.right, self.truth = np.zeros((3, *shape), np.int64)

    def add(self, truth: Tensor, score: Tensor, label: Tensor) -> None:
        """Count one picture.

        Args:
            truth: (H, W) integer; only 0..C counts.
            score: (H, W) of the strongest class, in [0, 1].
            label: (H, W) int64, its class id 1..C.

        Raises:
            ValueError: if the shapes differ.
        """
        if not truth.shape == score.shape == label.shape:
            raise ValueError(
                f'truth {tuple(truth.shape)}, score {tuple(score.shape)} and label '
                f'{tuple(label.shape)} differ in shape'
            )
        classes, bins = self.truth.shape
        counted = (truth >= 0) & (truth < classes)
        true, label = truth[counted].long(), label[counted].long()
        below = torch.bucketize(score[counted].float(), torch.from_numpy(self.grid))
        right = true == label
        for table, cells in (
            (self.strongest, label * bins + below),
            (self.right, (label * bins + below)[right]),
            (self.truth, true * bins + below),
        ):
            found = torch.bincount(cells, minlength=classes * bins)
            table += found.view(classes, bins).numpy()

    def areas(self, low: float, high: float) -> ClassAreas:
        """Counts of the label of two thresholds, taken to the next hundredth.

        Args:
            low, high: ``0 <= low <= high <= 1``; for the label of one threshold the
                same.

        Returns:
            Over the pixels that the label doesn't ignore; ``valid``: over all.
        """
        below, above = (
            round(value * (len(self.grid) - 1)) + 1 for value in (low, high)
        )
        correct = self.right[:, above:].sum(1)
        predicted = self.strongest[:, above:].sum(1)
        correct[0] = self.truth[0, :below].sum()
        predicted[0] = self.truth[:, :below].sum()
        truth = self.truth[:, :below].sum(1) + self.truth[:, above:].sum(1)
        return ClassAreas(correct, predicted, truth, int(self.truth.sum()))
