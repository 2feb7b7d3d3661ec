# Licensed under Apache-2.0.
"""Scores of the image-level classifier."""

from __future__ import annotations

import numpy as np


def multilabel_f1(
    truth: np.ndarray, probability: np.ndarray, threshold: float = 0.5
) -> float:
    """F1 over all (image, class) decisions together (micro average).

    Args:
        truth: Multi-hot (N, C), 0 or 1.
        probability: Sigmoid outputs (N, C) in [0, 1].
        threshold: A class is predicted where its probability exceeds it.

    Returns:
        2·TP / (2·TP + FP + FN) in [0, 1]; NaN where nothing is true or predicted.
    """
    _check(truth, probability)
    predicted, actual = probability > threshold, truth > 0.5
    wrong = np.count_nonzero(predicted != actual)
    right = 2 * np.count_nonzero(predicted & actual)
    return right / (right + wrong) if right + wrong else float('nan')


def average_precision(truth: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Average precision per class: mean of the precision at every true image.

    Images with equal probability count as retrieved together, so that their order
    doesn't matter (as scikit-learn's ``average_precision_score``).

    Args:
        truth: Multi-hot (N, C), 0 or 1.
        probability: Scores (N, C); only their order per class matters.

    Returns:
        (C,) float64; NaN for a class without a true image. mAP = ``nanmean``.
    """
    # By hand: scikit-learn gives the same to 1e-15, but 0 for a class without a true
    # image, and would be 60 MB of new dependencies for ten lines.
    _check(truth, probability)
    return np.array(
        [
            _one_class(truth[:, c] > 0.5, probability[:, c])
            for c in range(truth.shape[1])
        ]
    )


def image_average_precision(
    truth: np.ndarray, score: np.ndarray, thresholds: np.ndarray
) -> np.ndarray:
    """Average precision over the classes of each image, of binary decisions.

    The classes that exceed a threshold are retrieved first, together, then the others:
    with t of K classes true, n retrieved and h of these true it is
    ``h/t · h/n + (1 − h/t) · t/K``.

    Args:
        truth: Multi-hot (N, K), 0 or 1; each image has a true class.
        score: Scores (N, K), e.g. similarities in [0, 1].
        thresholds: (T,).

    Returns:
        (T,) float64, mean over the images. Source: SemFormer's choice of the
        auto-encoder, with background among the classes.
    """
    _check(truth, score)
    actual = truth > 0.5
    chosen = score[None] > np.asarray(thresholds)[:, None, None]
    retrieved, hits = chosen.sum(2), (chosen & actual).sum(2)
    true = actual.sum(1)
    recall = hits / true
    precision = hits / np.maximum(retrieved, 1)
    return (recall * precision + (1 - recall) * true / truth.shape[1]).mean(1)


def _one_class(actual: np.ndarray, score: np.ndarray) -> float:
    if not actual.any():
        return float('nan')
    order = np.argsort(-score, kind='stable')
    hits, ranked = np.cumsum(actual[order]), score[order]
    ends = np.append(np.nonzero(np.diff(ranked))[0], len(ranked) - 1)
    precision = hits[ends] / (ends + 1)
    gained = np.diff(hits[ends], prepend=0)
    return float((precision * gained).sum() / actual.sum())


def _check(truth: np.ndarray, probability: np.ndarray) -> None:
    if truth.shape != probability.shape or truth.ndim != 2:
        raise ValueError(
            f'truth {truth.shape} and probability {probability.shape} '
            'must both be (images, classes)'
        )
