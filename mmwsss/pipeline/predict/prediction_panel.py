# Licensed under Apache-2.0.
"""A panel of one prediction: photo, CAMs, pseudo label, label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmseg.structures import SegDataSample

from mmwsss.visualization.panels import compose_panel, sample_tiles
from mmwsss.visualization.samples import sample_outputs

from .from_sample import stored
from .photo_prediction import PhotoPrediction


def prediction_panel(
    photo: np.ndarray,
    sample: SegDataSample,
    found: PhotoPrediction,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None,
) -> np.ndarray:
    """RGB (h, w, 3) uint8.

    Args:
        photo: RGB (H, W, 3) uint8.
        sample: of the model.
        found: what was made of it.
        classes: names by id, background first.
        palette: colours by id.
    """
    outputs = sample_outputs(sample, truth=False)
    maps = stored(sample, 'class_maps')
    if 'cam' not in outputs and maps is not None:  # of a large picture
        size = maps.maps.shape[1:]
        outputs['cam'] = maps.maps.max(0) if len(maps.maps) else np.zeros(size, 'f4')
    present = [classes.index(name) for name in found.present]
    tiles = sample_tiles(photo, outputs, classes, palette, present)
    heading = f'{found.name}, predicted'
    return compose_panel([tiles], classes, palette, heading=heading)
