# Licensed under Apache-2.0.
"""How well scores of texts agree with image labels, class by class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .classification import average_precision

#: fewer pictures with a class, or without it, say nothing
ENOUGH = 5
#: what can be said of a class
TRUST, DOUBT, FEW = 'trust', 'not the text', 'too few pictures'


class TextAgreement(NamedTuple):
    """One class.

    Attributes:
        pictures: how many hold it.
        precision: average precision of its score, in [0, 1]; NaN without a picture.
        chance: that of a score that knows nothing: the share of pictures that hold it.
        gain: how much of the way from chance to 1 the score goes; NaN where there is
            none.
        verdict: :data:`TRUST`, :data:`DOUBT` or :data:`FEW`.
    """

    pictures: int
    precision: float
    chance: float
    gain: float
    verdict: str


def text_agreement(
    truth: np.ndarray, score: np.ndarray, trusted: float = 0.5
) -> list[TextAgreement]:
    """Which classes may be left to their texts.

    Args:
        truth: multi-hot (N, C), 0 or 1.
        score: (N, C), only the order within a class counts.
        trusted: gain in [0, 1] from which on a class is trusted.

    Returns:
        C entries.

    Raises:
        ValueError: if the shapes don't fit, or ``trusted`` isn't in [0, 1].
    """
    if not 0 <= trusted <= 1:
        raise ValueError(f'trusted must be in [0, 1], got {trusted}')
    found = []
    for c, precision in enumerate(average_precision(truth, score)):
        count, total = int((truth[:, c] > 0.5).sum()), len(truth)
        chance = count / total
        gain = (precision - chance) / (1 - chance) if chance < 1 else float('nan')
        verdict = TRUST if gain >= trusted else DOUBT
        if min(count, total - count) < ENOUGH:
            verdict = FEW
        found.append(TextAgreement(count, float(precision), chance, gain, verdict))
    return found
