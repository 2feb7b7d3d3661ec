# Licensed under Apache-2.0.
"""Thresholds for a network's class maps, from pictures with image labels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from mmwsss.cam import strongest_class
from mmwsss.cam.fusion import NORMALISE
from mmwsss.evaluation.score_counts import ScoreCounts
from mmwsss.io.errors import UserError
from mmwsss.models.prediction.inference_cfg import InferenceCfg
from mmwsss.models.prediction.scale_predictor import ScalePredictor
from mmwsss.models.segmentors.weak_segmentor import WeakSegmentor
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.evaluate.evaluate_maps import read_truth
from mmwsss.pipeline.inference import packed
from mmwsss.pipeline.prediction_cost import LargePictures

from ..photos import Photo, read_each
from .map_statistics import MapStatistics

Maps: TypeAlias = dict[int, Tensor]
#: points of a map that are looked at, along the longer side of a picture: at least so
#: many, and fewer than twice as many, where the picture has them
GRID = 128
#: scales of the two views that should agree: both see the object, at other patches
VIEWS = (1.0, 1.5)


@dataclass
class MapsSeen:
    """What was found in the maps of all pictures.

    Attributes:
        statistics: of the maps, by image labels.
        counts: of pixels, by their truth; ``None``: no mask was read.
        negatives: number of the pictures that hold no object.
        unlabelled: number of those left out, whose labels nobody knows.
        failed: path → message of those that can't be read.
    """

    statistics: MapStatistics
    counts: ScoreCounts | None = None
    negatives: int = 0
    unlabelled: int = 0
    failed: dict[str, str] = field(default_factory=dict)


class RawMaps:
    """A network's fused maps of all its classes, not normalised.

    Args:
        model: from :func:`.init_model`.
        full: maps at the size of the picture are wanted too.

    Raises:
        UserError: if it has no class maps.
    """

    def __init__(self, model: nn.Module, full: bool) -> None:
        self.model = unwrap(model)
        if not isinstance(self.model, WeakSegmentor):
            raise UserError(
                f'{type(self.model).__name__} has no class maps to set thresholds for: '
                'give the config of a network that learns from image labels'
            )
        cfg = InferenceCfg.of(dict(cam=self.model.test_cfg.get('cam')))
        self.scales, self.normalise = cfg.cam.scale_order, cfg.cam.normalise
        self.full = full
        self.large = LargePictures(model, self._overrides(1))

    def _overrides(self, stride: int) -> dict[str, Any]:
        cam = dict(
            scales=tuple(dict.fromkeys((*self.scales, *VIEWS))),
            add_one=False,
            normalise='none',
            strides=tuple({stride} | ({1} if self.full else set())),
        )
        return dict(outputs=('class_maps',), cam_filter='none', cam=cam)

    def __call__(self, photo: Photo, pixels: np.ndarray) -> dict[float, Maps]:
        """Scale → stride → maps (C, h, w) on the CPU; those of :data:`VIEWS` too."""
        size, model = pixels.shape[:2], self.model
        windows = self.large.overrides(size, photo.name)
        overrides = self._overrides(stride_of(size)) | windows
        cfg = InferenceCfg.of(model.test_cfg, **overrides)
        network = model.teacher_network() if cfg.use_teacher else model
        (sample,) = ScalePredictor(network, cfg)(**packed(model, pixels))
        return {
            scale: {stride: stored.maps.cpu() for stride, stored in maps.items()}
            for scale, maps in sample.scale_maps.items()
        }

    def fused(self, found: Mapping[float, Maps], stride: int) -> Tensor:
        """The sum of the scales that the config fuses, (C, h, w)."""
        return torch.stack([found[scale][stride] for scale in self.scales]).sum(0)


def stride_of(size: tuple[int, ...]) -> int:
    """Pixels of a picture of (H, W) for one point of the maps that are looked at."""
    return max(max(size) // GRID, 1)


def look_at_maps(
    model: nn.Module, photos: Sequence[Photo], oracle: bool = False
) -> MapsSeen:
    """Predict all pictures and gather what their maps say.

    Args:
        model: from :func:`.init_model`.
        photos: those whose labels are unknown are left out.
        oracle: read masks, to judge with.

    Raises:
        UserError: if the model has no class maps, or no picture is labelled with a
            class.
    """
    labelled = [photo for photo in photos if photo.labels is not None]
    if not any(photo.labels for photo in labelled):
        raise UserError(
            f'none of the {len(photos)} pictures is labelled with a class: thresholds '
            'are read off the maps of pictures whose image labels are known'
        )
    maps = RawMaps(model, full=oracle)
    count = maps.model.num_foreground
    seen = MapsSeen(
        MapStatistics(count, maps.normalise),
        ScoreCounts(count + 1) if oracle else None,
        negatives=sum(not photo.labels for photo in labelled),
        unlabelled=len(photos) - len(labelled),
    )
    for photo, pixels in read_each(labelled, seen.failed):
        found, labels = maps(photo, pixels), photo.labels or ()
        stride = stride_of(pixels.shape[:2])
        first, second = (found[scale][stride] for scale in VIEWS)
        seen.statistics.add(maps.fused(found, stride), (first, second), labels)
        if seen.counts is not None and photo.info is not None:
            label = _label(maps.fused(found, 1), labels, maps.normalise)
            seen.counts.add(read_truth(photo.info), *label)
    return seen


def _label(
    raw: Tensor, present: Sequence[int], normalise: str
) -> tuple[Tensor, Tensor]:
    """(score, class id) (H, W) of the strongest of the classes that are there."""
    ids = torch.tensor(sorted(present), dtype=torch.long)
    score, label = strongest_class(NORMALISE[normalise](raw[None, ids - 1]), ids[None])
    return score[0], label[0]
