# Licensed under Apache-2.0.
from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import (
    confidence_map,
    fuse_seg_logits,
    fuse_seg_part,
    inside_of,
    long_side_size,
    resize_part,
    strided_size,
    tiles_of,
)
from mmwsss.io.errors import UserError
from mmwsss.labelers.refiners.refiner import refine_maps
from mmwsss.structures import ImageLabels, StoredMaps

from .inference_cfg import InferenceCfg, InputCfg
from .predictor import Images, Predictor
from .scaled_picture import ScaledPicture
from .seg_outputs import decoder_pairs, post_processor
from .views import Views

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor

#: what there is of a large picture
OUTPUTS = ('seg', 'prob', 'class_maps')
#: pixels of the grid of maps of classes
STRIDE = 4
#: sides of the tiles that outputs are made in; refined ones have surroundings
_TILE, _REFINED_TILE, _MARGIN = 512, 1024, 128


class LargePredictor(Predictor):
    """Predicts a picture of any size: no map of a class is made at that size.

    The picture stays in bytes; windows, and other scales of them, are cut from it as
    they are needed. Label and confidence are made tile by tile from the network's
    logits, maps of classes on a grid of every fourth pixel. A post-processor sees each
    tile with its surroundings.

    Args:
        model: the network.
        cfg: what to predict and how; its ``cam.strides`` and ``cam.fuse_at`` aren't
            read.

    Raises:
        UserError: if an output is asked for that there isn't.
    """

    def __init__(self, model: WeakSegmentor, cfg: InferenceCfg) -> None:
        super().__init__(model, cfg)
        unknown = sorted(set(cfg.outputs) - set(OUTPUTS))
        if unknown:
            raise UserError(
                f'of a large picture there are the outputs {OUTPUTS}, got {unknown}: '
                'leave them out, or make the picture smaller (test_cfg.input.long_side)'
            )
        if cfg.post_processor is not None and 'prob' in cfg.outputs:
            raise UserError(
                "the output 'prob' of a large picture is the network's own: leave it "
                'out, or the post-processor'
            )
        if cfg.seg_of_maps:
            raise UserError(
                'of a large picture there is no segmentation from maps: set '
                "test_cfg.seg=dict(source='decoder', labeler=None), or make the "
                'picture smaller (test_cfg.input.long_side)'
            )
        cam = replace(cfg.cam, fuse_at='label', strides=(STRIDE,))
        self.cfg = replace(cfg, cam=cam, lam=replace(cfg.lam, fuse_at='label'))

    @torch.no_grad()
    def predict_pixels(
        self, pixels: np.ndarray, seen: np.ndarray | None = None
    ) -> SegDataSample:
        """Predict one picture.

        Args:
            pixels: (H, W, N) uint8, RGB for a network of three bands.
            seen: the same picture, smaller, for the network.

        Returns:
            A sample, on the CPU, with ``pred_score`` (C,) and, as asked for,
            ``pred_sem_seg`` (1, H, W) uint8 and ``pred_confidence`` (1, H, W) float32;
            ``prob_maps`` and ``class_maps``: :data:`STRIDE` → :class:`.StoredMaps`.
        """
        size = pixels.shape[:2]
        image = without_copy(pixels)
        input_image = image if seen is None else without_copy(seen)
        cleaner = self.model.data_preprocessor
        picture = ScaledPicture(
            input_image[None],
            input_size(self.cfg.input, tuple(input_image.shape[-2:])),
            lambda part: cleaner.normalise(cleaner.cast_data(part)),
            next(self.model.parameters()).device,
        )
        sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size))
        (found,) = self._predict_batch({1.0: picture}, [image], [sample])
        return found.cpu()

    def _write_seg(
        self,
        passes: Views,
        photos: Images,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        cfg, raw = self.cfg, decoder_pairs(self.cfg, passes)
        if cfg.seg.fuse_at == 'logits':
            grid = tuple(raw[0][0].shape[-2:])
            raw = [(fuse_seg_logits(raw, grid, cfg.seg.pair, cfg.seg.fuse), None)]
        self._write_label(raw, photos[0], samples[0], sizes[0])
        if 'prob' in cfg.outputs:
            samples[0].set_field(
                {STRIDE: self._probabilities(raw, strided_size(sizes[0], STRIDE))},
                'prob_maps',
            )

    def _write_label(
        self,
        raw: list[tuple[Tensor, Tensor | None]],
        photo: Tensor,
        sample: SegDataSample,
        size: tuple[int, int],
    ) -> None:
        """Label and confidence, tile by tile."""
        label = torch.empty(1, *size, dtype=torch.uint8)
        confidence = torch.empty(1, *size)
        refiner = self._refiner(raw[0][0].device)
        side, margin = (_TILE, 0) if refiner is None else (_REFINED_TILE, _MARGIN)
        for tile, around in tiles_of(size, side, margin):
            scores = fuse_seg_part(
                raw, size, around, self.cfg.seg.pair, self.cfg.seg.fuse
            )
            prob = scores.softmax(1)
            if refiner is not None:
                prob = scores = refine_maps(refiner, self._levels(photo, around), prob)
            inside = inside_of(tile, around)
            place = (slice(None), slice(*tile[:2]), slice(*tile[2:]))
            label[place] = scores[..., *inside].argmax(1).byte().cpu()
            confidence[place] = confidence_map(prob[..., *inside]).cpu()
        sample.set_field(PixelData(data=label), 'pred_sem_seg')
        sample.set_field(PixelData(data=confidence), 'pred_confidence')

    def _refiner(self, device: torch.device) -> nn.Module | None:
        cfg = self.cfg.post_processor
        return None if cfg is None else post_processor(self.model, cfg).to(device)

    def _levels(self, photo: Tensor, part: tuple[int, int, int, int]) -> Tensor:
        """Grey levels (1, 3, h, w) of a part of the picture, as refiners take them."""
        cleaner = self.model.data_preprocessor
        levels = resize_part(photo[None], tuple(photo.shape[-2:]), part)
        return self.model.grey_levels(cleaner.normalise(cleaner.cast_data(levels)))

    def _probabilities(
        self, raw: list[tuple[Tensor, Tensor | None]], grid: tuple[int, int]
    ) -> StoredMaps:
        """(C + 1, h, w) float32 on a grid, background first."""
        count = raw[0][0].shape[1]
        maps = torch.empty(count, *grid)
        for tile, _ in tiles_of(grid, _TILE):
            scores = fuse_seg_part(
                raw, grid, tile, self.cfg.seg.pair, self.cfg.seg.fuse
            )
            place = (slice(None), slice(*tile[:2]), slice(*tile[2:]))
            maps[place] = scores.softmax(1)[0].cpu()
        return StoredMaps(maps, torch.arange(count))

    def _write_maps(
        self,
        images: Tensor | ScaledPicture,
        photos: Images,
        passes: Views,
        labels: ImageLabels,
        samples: Sequence[SegDataSample],
        sizes: Sequence[tuple[int, int]],
    ) -> None:
        super()._write_maps(images, photos, passes, labels, samples, sizes)
        samples[0].set_field(
            {
                stride: StoredMaps(maps.cpu(), ids.cpu())
                for stride, (maps, ids) in samples[0].class_maps.items()
            },
            'class_maps',
        )


def input_size(cfg: InputCfg, size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) at which a picture of that size goes into the network, at scale 1."""
    if cfg.squash is not None:
        height, width = cfg.squash
        return height, width
    return size if cfg.long_side is None else long_side_size(size, cfg.long_side)


def without_copy(pixels: np.ndarray) -> Tensor:
    """(H, W, N) pixels as a tensor (N, H, W) of the same memory, which is only read."""
    with warnings.catch_warnings():
        # pictures that Pillow decodes aren't writable, which nothing here does
        warnings.filterwarnings('ignore', 'The given NumPy array is not writable')
        return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
