# Licensed under Apache-2.0.
"""Outputs of the class maps: CAMs, maps of each class, pseudo labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from mmwsss.cam import normalise_cam, resize, strided_size, strongest_class
from mmwsss.structures import ImageLabels, StoredMaps

from .inference_cfg import MAPS, InferenceCfg
from .scaled_picture import ScaledPicture
from .seg_outputs import segment_maps
from .views import Views

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor

Pairs = list[tuple[Tensor, Tensor | None]]


def map_names(model: WeakSegmentor) -> tuple[str, ...]:
    """Names of the class maps that a model gives for prediction, in their order."""
    cams = ('cam', 'aux_cam') if model.aux_cam_head is not None else ('cam',)
    return (*cams, *model.FURTHER_MAPS)


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
        self.taps = self._taps(passes)
        at_input = {n for n in cfg.maps if cfg.fusion_of(n).fuse_at == 'input'}
        if 'pseudo' in cfg.outputs:
            at_input.add(cfg.main_map)
        size = tuple(images.shape[-2:])
        self.fused = {
            name: self._fuse(name, self.taps[name], labels, size) for name in at_input
        }

    def _taps(self, passes: Views) -> dict[str, Pairs]:
        """For each map that is wanted its (image, mirror) at each of its scales."""
        cfg, found = self.cfg, {}
        views = {
            (scale, mirrored): dict(
                zip(
                    map_names(self.model),
                    passes.maps(scale, mirrored, self.labels),
                    strict=False,
                )
            )
            for scale, mirrored in {
                (scale, mirrored)
                for fusion in map(cfg.fusion_of, cfg.maps)
                for scale in fusion.scale_order
                for mirrored in (False, True)[: 1 + fusion.mirror]
            }
        }
        for name in cfg.maps:
            fusion = cfg.fusion_of(name)
            found[name] = [
                (
                    views[scale, False][name],
                    views[scale, True][name] if fusion.mirror else None,
                )
                for scale in fusion.scale_order
            ]
        return found

    def _fuse(
        self,
        name: str,
        views: Pairs,
        labels: ImageLabels,
        size: tuple[int, int],
        multiple: int = 1,
    ) -> Tensor:
        signed = self.model.FURTHER_MAPS.get(name, False)
        return self.cfg.fusion_of(name).fuse(views, labels, size, multiple, signed)

    def write(
        self,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
        photos: Sequence[Tensor] = (),
    ) -> None:
        """Add the outputs to the samples.

        Args:
            samples: to be filled.
            sizes: (H, W) of the outputs.
            photos: (3, H, W) each, normalised, before any resizing; for a segmentation
                from maps.
        """
        outputs = self.cfg.outputs
        if 'class_maps' in outputs:
            self._write_class_maps(samples, sizes)
        for name in set(outputs) & set(MAPS):
            maps = (
                self._products(sizes) if name == 'cam_lam' else self._maps(name, sizes)
            )
            for i, (sample, one) in enumerate(zip(samples, maps, strict=True)):
                score, label = strongest_class(one[None], self.labels.ids[i : i + 1])
                sample.set_field(PixelData(score=score, label=label), f'pred_{name}')
        if 'pseudo' in outputs:
            self._write_pseudo(samples, sizes)
        if self.cfg.seg_of_maps:
            maps = self._maps(self.cfg.main_map, sizes)
            for i, one in enumerate(maps):
                labels = self.labels.select(slice(i, i + 1))
                segment_maps(
                    self.model, self.cfg, photos[i], one[None], labels, samples[i]
                )

    def _maps(self, name: str, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        return self._maps_at(name, sizes, self.cfg.fusion_of(name).multiple)

    def _products(self, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
        """CAM times localisation attention map, normalised anew (MoRe)."""
        pairs = zip(self._maps('cam', sizes), self._maps('lam', sizes), strict=True)
        return [normalise_cam((cam * lam)[None])[0] for cam, lam in pairs]

    def _write_class_maps(
        self, samples: Sequence[SegDataSample], sizes: Sequence[tuple[int, int]]
    ) -> None:
        for sample in samples:
            sample.set_field({}, 'class_maps')
        main = self.cfg.main_map
        for stride in self.cfg.cam.strides:
            grids = [strided_size(size, stride) for size in sizes]
            multiple = self.cfg.fusion_of(main).multiple if stride == 1 else 1
            maps = self._maps_at(main, grids, multiple)
            for sample, one, ids in zip(samples, maps, self.labels.ids, strict=True):
                sample.class_maps[stride] = StoredMaps(one[ids > 0], ids[ids > 0])

    def _write_pseudo(
        self, samples: Sequence[SegDataSample], sizes: Sequence[tuple[int, int]]
    ) -> None:
        label = self.model.predicted_label(
            self.images,
            self.features,
            self.fused[self.cfg.main_map],
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
        if self.cfg.fusion_of(name).fuse_at == 'input':
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
            maps.append(self._fuse(name, views, labels, size, multiple)[0])
        return maps
