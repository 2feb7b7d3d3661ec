# Licensed under Apache-2.0.
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ScoredPicture:
    """What a network made of one picture, in numbers.

    Attributes:
        name: of its outputs.
        index: in the data set that was looked at.
        labels: class ids 1..C of its image label; ``None``: nobody knows.
        miou: mean IoU in [0, 1] over the classes in truth or prediction; NaN without a
            mask.
        confidence: mean over the pixels of the highest probability, in [0, 1]; NaN
            where the network gives none.
        areas: (3, K) int64, correct, predicted and true pixels of each class; ``None``
            without a mask.
        contradiction: |probability - image label| of the class where they differ
            most, in [0, 1]; NaN where one of them isn't known.
        contradicted: class id of that, 0: none.
    """

    name: str
    index: int
    labels: tuple[int, ...] | None
    miou: float
    confidence: float
    areas: np.ndarray | None = None
    contradiction: float = float('nan')
    contradicted: int = 0
