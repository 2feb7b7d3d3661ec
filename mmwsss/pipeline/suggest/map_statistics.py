# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmwsss.cam.fusion import NORMALISE
from mmwsss.evaluation.threshold_hints import (
    ThresholdHint,
    agreement_curve,
    class_scales,
    hint_of,
    quantile_points,
)
from mmwsss.io.errors import UserError

#: values that stand for a map, and bins of a histogram of scores
_POINTS, _BINS = 200, 100


class ClassRow(NamedTuple):
    """What the maps of a class say; shares and quantiles are NaN where it has none.

    Attributes:
        present, absent: pictures with and without it.
        held: median, 90 % and 99 % quantile of its normalised map where it is present.
        missing: the same of its map where it is absent, as a share of what it usually
            reaches where it is present.
        area: mean share of a picture that is labelled with it, where it is present.
        leak: share of the pixels of pictures without it that are above the threshold.
    """

    present: int
    absent: int
    held: tuple[float, float, float]
    missing: tuple[float, float, float]
    area: float
    leak: float


class MapStatistics:
    """Gathers class maps of pictures whose image labels are known.

    Args:
        num_foreground: C.
        normalise: how maps are normalised for labels, a key of
            :data:`mmwsss.cam.fusion.NORMALISE`.
    """

    def __init__(self, num_foreground: int, normalise: str) -> None:
        self.count, self.normalise = num_foreground, NORMALISE[normalise]
        self.curves: list[np.ndarray] = []
        self.peaks: list[np.ndarray] = []
        self.present: list[np.ndarray] = []
        self.points: list[np.ndarray] = []
        self.held: list[list[np.ndarray]] = [[] for _ in range(num_foreground)]
        self.won = np.zeros((num_foreground, _BINS))

    def add(
        self, raw: Tensor, views: tuple[Tensor, Tensor], present: Collection[int]
    ) -> None:
        """Take in one picture.

        Args:
            raw: (C, h, w) fused maps of all classes, not normalised.
            views: the same of two single views.
            present: class ids 1..C of its image label; may be empty.
        """
        channels = sorted(class_id - 1 for class_id in present)
        flags = np.zeros(self.count, bool)
        flags[channels] = True
        self.present.append(flags)
        self.peaks.append(raw.amax((-2, -1)).numpy())
        self.points.append(quantile_points(raw.numpy(), _POINTS))
        if not channels:
            return
        fused, *two = (
            self.normalise(maps[None, channels])[0].numpy() for maps in (raw, *views)
        )
        self.curves.append(agreement_curve(*(maps.max(0) for maps in two)))
        self._add_present(fused, channels)

    def _add_present(self, maps: np.ndarray, channels: list[int]) -> None:
        score, strongest = maps.max(0), maps.argmax(0)
        for slot, channel in enumerate(channels):
            self.held[channel].append(quantile_points(maps[slot : slot + 1], _POINTS))
            found = np.histogram(score[strongest == slot], _BINS, (0, 1))[0]
            self.won[channel] += found / score.size

    def agreement(self) -> np.ndarray:
        """(101,) mean of :func:`.agreement_curve` over the pictures with a class.

        Raises:
            UserError: if none has been taken in.
        """
        if not self.curves:
            raise UserError(
                'a threshold is read off pictures that hold a class, and none of those '
                'looked at does, or can be read'
            )
        return np.mean(self.curves, axis=0)

    def hint(self) -> ThresholdHint:
        """See :func:`.hint_of`.

        Raises:
            UserError: if the views agree on nothing.
        """
        curve = self.agreement()
        if curve.max() <= 0:
            raise UserError(
                'at no threshold do two views of the pictures agree on what is an '
                'object: the CAMs of this network tell nothing. Train it longer, or '
                'give other weights'
            )
        return hint_of(curve)

    def rows(self, bkg_thr: float) -> list[ClassRow]:
        """One row for each class, labelled with this threshold."""
        present = np.stack(self.present)
        scales = class_scales(np.stack(self.peaks), present)
        points = np.stack(self.points) / scales[:, None]
        return [
            self._row(channel, present[:, channel], points[:, channel], bkg_thr)
            for channel in range(self.count)
        ]

    def _row(
        self, channel: int, present: np.ndarray, points: np.ndarray, bkg_thr: float
    ) -> ClassRow:
        held = int(present.sum())
        missing = points[~present]
        above = self.won[channel, round(bkg_thr * _BINS) :].sum()
        return ClassRow(
            held,
            len(present) - held,
            _quantiles(np.array(self.held[channel])),
            _quantiles(missing),
            above / held if held else np.nan,
            float((missing > bkg_thr).mean()) if missing.size and held else np.nan,
        )


def _quantiles(values: np.ndarray) -> tuple[float, float, float]:
    if not values.size or np.isnan(values).any():
        return (np.nan,) * 3
    return tuple(np.quantile(values, (0.5, 0.9, 0.99)).tolist())
