# Licensed under Apache-2.0.
"""Pictures in the order in which they are worth annotating."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmwsss.evaluation.diverse_order import uncertain_and_unlike

from ..photos import Photo
from .picture_scores import MEASURES, PictureScores

COLUMNS = ('rank', 'name', *MEASURES, 'contradicted_class', 'distance', 'path')


@dataclass
class Scored:
    """One picture with its scores.

    Attributes:
        photo: the picture.
        scores: of it.
        feature: (D,), or ``None`` where the order doesn't ask for diversity.
        distance: to the nearest picture of a higher rank that was chosen, in [0, 2];
            NaN where the order doesn't ask for diversity.
    """

    photo: Photo
    scores: PictureScores
    feature: np.ndarray | None = None
    distance: float = math.nan

    def value(self, by: str) -> float:
        """The score by name, one of :data:`.MEASURES`; NaN: can't be said."""
        return getattr(self.scores, by)


def ranked(
    found: Sequence[Scored], by: str, top: int, diverse: bool = False
) -> list[Scored]:
    """All pictures, the most uncertain first; those that have no score come last.

    Args:
        found: the pictures.
        by: one of :data:`.MEASURES`.
        top: how many are chosen with regard to each other if ``diverse``.
        diverse: the first ``top`` are unlike each other, see
            :func:`.uncertain_and_unlike`; they need features.
    """
    known = [one for one in found if not math.isnan(one.value(by))]
    unknown = [one for one in found if math.isnan(one.value(by))]
    known.sort(key=lambda one: (-one.value(by), one.photo.name))
    if diverse and known:
        scores = np.array([one.value(by) for one in known])
        features = np.stack([one.feature for one in known if one.feature is not None])
        picked, distances = uncertain_and_unlike(scores, features, top)
        for index, distance in zip(picked, distances, strict=True):
            known[index].distance = distance
        rest = sorted(set(range(len(known))) - set(picked))
        known = [known[index] for index in (*picked, *rest)]
    return [*known, *unknown]


def csv_text(rows: Sequence[Scored], classes: Sequence[str]) -> str:
    """The table of all pictures; what can't be said is empty.

    Args:
        rows: in their order.
        classes: names by class id, background first.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(COLUMNS)
    for rank, row in enumerate(rows, start=1):
        contradicted = row.scores.contradicted
        writer.writerow(
            [
                rank,
                row.photo.name,
                *(_number(row.value(by)) for by in MEASURES),
                classes[contradicted] if contradicted else '',
                _number(row.distance),
                row.photo.path,
            ]
        )
    return out.getvalue()


def _number(value: float) -> str:
    return f'{value:.6f}' if math.isfinite(value) else ''
