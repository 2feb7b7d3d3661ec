# Licensed under Apache-2.0.
"""Outputs of the class maps: CAMs, maps of each class, pseudo labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import resize, strided_size, strongest_class
from mmwsss.structures import ImageLabels, StoredMaps

from .inference_cfg import InferenceCfg
from .scaled_picture import ScaledPicture
from .views import Views

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor

Pairs = list[tuple[Tensor, Tensor | None]]


class MapOutputs:
    """Fuses the class maps of a batch and writes what is asked for of them.

    Args:
        model: the network.
        cfg: views and fusion in ``cfg.cam``.
        images: (B, 3, H, W) at scale 1, normalised.
        passes: of the network over the images and their mirrors.
        labels: the classes whose maps are wanted.
    """

    def __init__(
        self,
        model: WeakSegmentor,
        cfg: InferenceCfg,
        images: Tensor | ScaledPicture,
        passes: Views,
        labels: ImageLabels,
    ) -> None:
        self.model, self.cfg, self.labels = model, cfg, labels
        self.images, self.features = images, passes.features
        taps: dict[str, Pairs] = {}
        for scale in cfg.cam.scale_order:
            views = passes.maps(scale, False, labels)
            flipped = (
                passes.maps(scale, True, labels)
                if cfg.cam.mirror
                else (None,) * len(views)
            )
            for name, *pair in zip(('cam', 'aux_cam'), views, flipped, strict=False):
                taps.setdefault(name, []).append(tuple(pair))
        self.taps = taps
        at_input = set(taps) if cfg.cam.fuse_at == 'input' else set()
        if 'pseudo' in cfg.outputs:
            at_input.add('cam')
        size = tuple(images.shape[-2:])
        self.fused = {name: cfg.cam.fuse(taps[name], labels, size) for name in at_input}

    def write(
        self, samples: Sequence[SegDataSample], sizes: Sequence[tuple[int, int]]
    ) -> None:
        """Add the outputs to the samples.

        Args:
            samples: to be filled.
            sizes: (H, W) of the outputs.
        """
        outputs = self.cfg.outputs
        if 'class_maps' in outputs:
            self._write_class_maps(samples, sizes)
        for name in set(outputs) & set(self.taps):
            maps = self._maps_at(name, sizes, self.cfg.cam.multiple)
            for i, (sample, one) in enumerate(zip(samples, maps, strict=True)):
                score, label = strongest_class(one[None], self.labels.ids[i : i + 1])
                sample.set_field(PixelData(score=score, label=label), f'pred_{name}')
        if 'pseudo' in outputs:
            self._write_pseudo(samples, sizes)

    def _write_class_maps(
        self, samples: Sequence[SegDataSample], sizes: Sequence[tuple[int, int]]
    ) -> None:
        for sample in samples:
            sample.set_field({}, 'class_maps')
        for stride in self.cfg.cam.strides:
            grids = [strided_size(size, stride) for size in sizes]
            multiple = self.cfg.cam.multiple if stride == 1 else 1
            maps = self._maps_at('cam', grids, multiple)
            for sample, one, ids in zip(samples, maps, self.labels.ids, strict=True):
                sample.class_maps[stride] = StoredMaps(one[ids > 0], ids[ids > 0])

    def _write_pseudo(
        self, samples: Sequence[SegDataSample], sizes: Sequence[tuple[int, int]]
    ) -> None:
        label = self.model.predicted_label(
            self.images,
            self.features,
            self.fused['cam'],
            self.labels,
            self.cfg,
            self.model.side_inputs_of(samples, tuple(self.images.shape[-2:])),
        )
        for one, sample, size in zip(label, samples, sizes, strict=True):
            full = F.interpolate(one[None, None].float(), size, mode='nearest')
            sample.set_field(PixelData(data=full[0].long()), 'pred_pseudo')

    def _maps_at(
        self, name: str, sizes: Sequence[tuple[int, int]], multiple: int
    ) -> list[Tensor]:
        """CAM (K, h, w) of each image at its own size, fused there or before."""
        if self.cfg.cam.fuse_at == 'input':
            fused = self.fused[name]
            return [resize(fused[i : i + 1], size)[0] for i, size in enumerate(sizes)]
        maps = []
        for i, size in enumerate(sizes):
            one = slice(i, i + 1)
            views = [
                (plain[one], None if mirrored is None else mirrored[one])
                for plain, mirrored in self.taps[name]
            ]
            labels = self.labels.select(one)
            maps.append(self.cfg.cam.fuse(views, labels, size, multiple)[0])
        return maps
