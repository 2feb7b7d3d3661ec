# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmwsss.pipeline.predict.photo_prediction import PhotoPrediction


@dataclass(frozen=True, eq=False)
class SegmentedPhoto:
    """A photo, what a model says of it, and the names for that.

    Attributes:
        model: name of the model.
        photo: RGB (h, w, 3) uint8 as it is shown, which may be smaller.
        found: mask, confidence, scores and CAMs.
        classes: names by id, background first.
        palette: colours by id; ``None``: VOC's.
    """

    model: str
    photo: np.ndarray
    found: PhotoPrediction
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]] | None
