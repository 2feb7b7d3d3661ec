# Licensed under Apache-2.0.
"""Which of many to take first: uncertain ones that are unlike each other."""

from __future__ import annotations

import numpy as np


def uncertain_and_unlike(
    scores: np.ndarray, features: np.ndarray, count: int
) -> tuple[list[int], list[float]]:
    """Pick one after the other the largest score times distance to those picked.

    The k-centre greedy rule of Sener and Savarese (ICLR 2018, algorithm 1) takes the
    point that is farthest from its nearest centre; weighted by the score, a picture
    counts as far as it is uncertain *and* new. A copy of one that is picked has the
    distance 0 and comes last.

    Args:
        scores: (N,) uncertainty, >= 0.
        features: (N, D) of the same pictures; distances are Euclidean, of features
            scaled to length 1, so in [0, 2].
        count: how many are picked, at most N.

    Returns:
        (indices in the order of picking, distance of each to the nearest picked
        before it; that of the first is infinite).

    Raises:
        ValueError: if the lengths differ, or a score is negative or no number.
    """
    if len(scores) != len(features):
        raise ValueError(
            f"{len(scores)} scores and {len(features)} features don't go together"
        )
    if not (scores >= 0).all():
        raise ValueError(f'scores must be numbers >= 0, got {scores}')
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-12)
    nearest = np.full(len(scores), np.inf)
    left = np.ones(len(scores), bool)
    picked: list[int] = []
    distances: list[float] = []
    for _ in range(min(count, len(scores))):
        # the first one is new by any measure
        worth = scores * (nearest if picked else 1.0)
        # of equal worth (copies of picked ones) the most uncertain, then the first
        open_ = np.flatnonzero(left)
        best = open_[np.lexsort((-open_, scores[open_], worth[open_]))[-1]]
        picked.append(int(best))
        distances.append(float(nearest[best]))
        left[best] = False
        nearest = np.minimum(nearest, np.linalg.norm(unit - unit[best], axis=1))
    return picked, distances
