# Licensed under Apache-2.0.
"""Segmentation scores from per-class pixel counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .areas import ClassAreas


@dataclass(frozen=True)
class SegScores:
    """Scores as fractions in [0, 1] (NaN where undefined).

    Attributes:
        pixel_acc: Correct share of all pixels.
        mean_acc: Mean recall over the classes in the truth.
        iou: IoU per class, (K,); NaN for a class in neither truth nor prediction.
        miou: Mean IoU over the classes *in the truth*, the published figure.
        miou_all: Mean IoU over all classes that occur in truth or prediction, what
            most tables and mmseg's ``IoUMetric`` show.
        fp_share: Mean of (P − TP) / union over the classes of ``miou``.
        fn_share: Mean of (T − TP) / union over the classes of ``miou``; the three
            add up to 1.
        labelled: Share of the valid pixels that carry a label.
    """

    pixel_acc: float
    mean_acc: float
    iou: np.ndarray
    miou: float
    miou_all: float
    fp_share: float
    fn_share: float
    labelled: float


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
    present = t > 0
    return SegScores(
        pixel_acc=float(_ratio(tp.sum(), t.sum())),
        mean_acc=_mean(_ratio(tp, t)[present]),
        iou=iou,
        miou=_mean(iou[present]),
        miou_all=_mean(iou[union > 0]),
        fp_share=_mean(fp[present]),
        fn_share=_mean(fn[present]),
        labelled=float(_ratio(t.sum(), np.float64(areas.valid))),
    )


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Quotient, NaN where ``under`` is 0."""
    under = np.asarray(under, np.float64)
    return np.divide(over, under, out=np.full_like(under, np.nan), where=under > 0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float('nan')
