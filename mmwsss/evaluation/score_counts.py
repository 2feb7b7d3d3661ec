# Licensed under Apache-2.0.
from __future__ import annotations

from torch import Tensor

from .areas import ClassAreas
from .sweep import SweepHistogram, default_thresholds, sweep_histogram


class ScoreCounts:
    """Pixels by class and score, from which labels of any two thresholds are scored.

    A label is background up to the low threshold, the strongest class above the high
    one, and ignored between. With both equal nothing is ignored.

    Args:
        num_classes: C + 1, background included.
    """

    def __init__(self, num_classes: int) -> None:
        self.grid = default_thresholds()
        #: pixels by the strongest class, and by the true one
        self.strongest = SweepHistogram.empty(num_classes, len(self.grid))
        self.true = SweepHistogram.empty(num_classes, len(self.grid))

    def add(self, truth: Tensor, score: Tensor, label: Tensor) -> None:
        """Count one picture.

        Args:
            truth: (H, W) integer; only 0..C counts.
            score: (H, W) of the strongest class, in [0, 1].
            label: (H, W) int64, its class id 1..C; 0 where there is none.

        Raises:
            ValueError: if the shapes differ.
        """
        count = len(self.true.truth)
        self.strongest += sweep_histogram(truth, score, label, count, self.grid)
        self.true += sweep_histogram(truth, score, truth, count, self.grid)

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
        true = self.true.correct.copy()
        true[0] = self.strongest.background  # a sweep of label 0 has no scores
        correct = self.strongest.correct[:, above:].sum(1)
        predicted = self.strongest.predicted[:, above:].sum(1)
        correct[0] = true[0, :below].sum()
        predicted[0] = true[:, :below].sum()
        truth = true[:, :below].sum(1) + true[:, above:].sum(1)
        return ClassAreas(correct, predicted, truth, int(true.sum()))
