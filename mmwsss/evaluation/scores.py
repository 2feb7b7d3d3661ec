# Licensed under Apache-2.0.
"""Segmentation scores from per-class pixel counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .areas import ClassAreas

AVERAGES = ('present', 'all', 'fixed')


@dataclass(frozen=True)
class SegScores:
    """Scores as fractions in [0, 1], NaN where undefined.

    Attributes:
        iou: IoU per class, (K,); NaN for a class in neither truth nor prediction.
        fp: (P − TP) / union per class, (K,): the share wrongly claimed.
        fn: (T − TP) / union per class, (K,): the share missed. The three add up to 1.
        precision: TP / P per class, (K,).
        recall: TP / T per class, (K,).
        present: Which classes occur in the truth, (K,) bool.
        pixel_acc: Correct share of all labelled pixels.
        mean_acc: Mean recall over the classes in the truth.
        freq_iou: Mean IoU weighted by the classes' shares of the truth.
        labelled: Share of the valid pixels that carry a label.
    """

    iou: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    present: np.ndarray
    pixel_acc: float
    mean_acc: float
    freq_iou: float
    labelled: float

    def mean(self, name: str = 'iou', over: str = 'present') -> float:
        """Average a per-class score.

        Args:
            name: ``'iou'``, ``'fp'`` or ``'fn'``.
            over: ``'present'``: the classes in the truth (AFA, ToCo, FSR);
                ``'all'``: those in truth or prediction (mmseg's ``IoUMetric``, most
                tables); ``'fixed'``: every class, absent ones counting 0 (IRNet,
                SemFormer).

        Returns:
            The mean in [0, 1], NaN over no class.

        Raises:
            ValueError: Unknown ``over``.
        """
        values = getattr(self, name)
        if over == 'present':
            return _mean(values[self.present])
        if over == 'all':
            return _mean(values[~np.isnan(values)])
        if over == 'fixed':
            return _mean(np.nan_to_num(values))
        raise ValueError(f'average {over!r}: must be one of {AVERAGES}')

    @property
    def miou(self) -> float:
        """Mean IoU over the classes in the truth, the usual published figure."""
        return self.mean()


def scores_from_areas(areas: ClassAreas) -> SegScores:
    """Compute all scores.

    Source: the evaluation of AFA and ToCo (mean over classes in the truth); FP and FN
    shares as in SemFormer and IRNet.

    Args:
        areas: Counts over the whole split.

    Returns:
        The scores, in float64.
    """
    tp, p, t = (
        a.astype(np.float64) for a in (areas.correct, areas.predicted, areas.truth)
    )
    union = p + t - tp
    iou, fp, fn = (_ratio(x, union) for x in (tp, p - tp, t - tp))
    recall = _ratio(tp, t)
    return SegScores(
        iou=iou,
        fp=fp,
        fn=fn,
        precision=_ratio(tp, p),
        recall=recall,
        present=t > 0,
        pixel_acc=float(_ratio(tp.sum(), t.sum())),
        mean_acc=_mean(recall[t > 0]),
        freq_iou=float(_ratio((t * np.nan_to_num(iou)).sum(), t.sum())),
        labelled=float(_ratio(t.sum(), areas.valid)),
    )


def _ratio(over: np.ndarray, under: np.ndarray | int) -> np.ndarray:
    """Quotient, NaN where ``under`` is 0."""
    under = np.asarray(under, np.float64)
    return np.divide(over, under, out=np.full_like(under, np.nan), where=under > 0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float('nan')
