# Licensed under Apache-2.0.
"""Are probabilities what they say: of pixels claimed at 0.8, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: bins of equal width, as Guo et al. take
NUM_BINS = 15


@dataclass(frozen=True)
class CalibrationBins:
    """Predictions by their confidence, in bins of equal width over [0, 1].

    Bin i of M holds the confidences in (i / M, (i + 1) / M], the first 0 too.

    Attributes:
        count: (M,) float64, predictions of a bin.
        confidence: (M,) float64, sum of their confidences.
        correct: (M,) float64, how many of them are right.
    """

    count: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray

    @classmethod
    def zeros(cls, bins: int = NUM_BINS) -> CalibrationBins:
        """Nothing counted yet."""
        return cls(*np.zeros((3, bins)))

    def __add__(self, other: CalibrationBins) -> CalibrationBins:
        """Both together."""
        return CalibrationBins(
            self.count + other.count,
            self.confidence + other.confidence,
            self.correct + other.correct,
        )

    @property
    def mean_confidence(self) -> np.ndarray:
        """(M,) in [0, 1]; NaN in an empty bin."""
        return _share(self.confidence, self.count)

    @property
    def accuracy(self) -> np.ndarray:
        """(M,) share of right predictions, in [0, 1]; NaN in an empty bin."""
        return _share(self.correct, self.count)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def calibration_bins(
    confidence: Tensor, correct: Tensor, bins: int = NUM_BINS
) -> CalibrationBins:
    """Sort predictions into bins by their confidence.

    Args:
        confidence: (N,) in [0, 1].
        correct: (N,) bool.
        bins: M >= 1.

    Raises:
        ValueError: if a confidence is outside [0, 1], or the shapes differ.
    """
    if confidence.shape != correct.shape:
        raise ValueError(
            f'confidence {tuple(confidence.shape)} and correct '
            f'{tuple(correct.shape)} must have one shape'
        )
    values = confidence.double().flatten()
    if len(values) and not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(
            f'confidence must lie in [0, 1], got {values.min():g} to {values.max():g}'
        )
    index = (values * bins).ceil().long().sub(1).clamp(0, bins - 1)
    sums = [
        torch.bincount(index, weights, minlength=bins).cpu().numpy()
        for weights in (torch.ones_like(values), values, correct.flatten().double())
    ]
    return CalibrationBins(*sums)


def expected_calibration_error(bins: CalibrationBins) -> float:
    """ECE: mean distance of confidence and accuracy over the predictions' bins.

    Sum over the bins of ``n_i / N · |accuracy_i - confidence_i|`` (Naeini et al., AAAI
    2015; Guo et al., ICML 2017, eq. 3).

    Returns:
        In [0, 1]; NaN where nothing is counted.
    """
    total = bins.count.sum()
    return float(
        np.abs(bins.correct - bins.confidence).sum() / total if total else 'nan'
    )


def overconfidence(bins: CalibrationBins) -> float:
    """Mean confidence minus accuracy, in [-1, 1]; above 0 the network claims too much.

    Returns:
        NaN where nothing is counted.
    """
    total = bins.count.sum()
    return float((bins.confidence - bins.correct).sum() / total if total else 'nan')


def pixel_bins(
    prob: Tensor, truth: Tensor, bins: int = NUM_BINS, ignore_index: int = 255
) -> CalibrationBins:
    """The pixels of a picture by the probability of the class that they are given.

    Args:
        prob: (L, H, W), summing to 1 over L at each pixel.
        truth: (H, W) class ids.
        bins: number of bins.
        ignore_index: id of pixels that don't count.
    """
    confidence, label = prob.max(0)
    known = truth != ignore_index
    # rounding may leave a softmax just above 1
    return calibration_bins(
        confidence[known].clamp(max=1), (label == truth)[known], bins
    )
