# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.structures import ImageLabels

from .map_outputs import MapOutputs
from .predictor import Images, Predictor
from .scaled_picture import ScaledPicture
from .views import Views


class ScalePredictor(Predictor):
    """Class maps of each scale by itself, where a prediction gives their fusion.

    Its samples have ``scale_maps``: scale → stride → :class:`.StoredMaps`; the scales
    are those of the main map, of which each is encoded once.
    """

    def _write_maps(
        self,
        images: Tensor | ScaledPicture,
        photos: Images,
        passes: Views,
        labels: ImageLabels,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        for sample in samples:
            sample.set_field({}, 'scale_maps')
        for scale in self.cfg.fusion_of(self.cfg.main_map).scale_order:
            cfg = replace(self.cfg.with_scales((scale,)), outputs=('class_maps',))
            MapOutputs(self.model, cfg, images, passes, labels).write(samples, sizes)
            for sample in samples:
                sample.scale_maps[scale] = sample.pop('class_maps')
