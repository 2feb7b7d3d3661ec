# Licensed under Apache-2.0.
"""Scores of segmentations, CAMs and image labels."""

import mmseg.evaluation  # noqa: F401  registers what a child registry would not find

from .areas import ClassAreas, areas_from_labels
from .class_similarity_metric import ClassSimilarityMetric
from .classification import average_precision, image_average_precision, multilabel_f1
from .erosion import erode_labels, eroded_score
from .scores import SegScores, scores_from_areas
from .sweep import SweepHistogram, default_thresholds, sweep_histogram
from .wsss_metric import WSSSMetric

__all__ = [
    'ClassAreas',
    'ClassSimilarityMetric',
    'SegScores',
    'SweepHistogram',
    'WSSSMetric',
    'areas_from_labels',
    'average_precision',
    'default_thresholds',
    'erode_labels',
    'eroded_score',
    'image_average_precision',
    'multilabel_f1',
    'scores_from_areas',
    'sweep_histogram',
]
