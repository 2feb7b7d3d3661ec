# Licensed under Apache-2.0.
"""Outputs of the decoder: label, logits, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmwsss.cam import fuse_seg_logits, resize
from mmwsss.io.errors import UserError
from mmwsss.labelers.refiners.refiner import build_refiner, refine_maps
from mmwsss.registry import LABELERS
from mmwsss.structures import ImageLabels

from .inference_cfg import InferenceCfg
from .views import Views

if TYPE_CHECKING:
    from ..segmentors.weak_segmentor import WeakSegmentor


def predict_seg(
    model: WeakSegmentor,
    cfg: InferenceCfg,
    passes: Views,
    photos: Sequence[Tensor],
    samples: Sequence[SegDataSample],
    sizes: Sequence[tuple[int, int]],
) -> None:
    """Add ``pred_sem_seg``, ``seg_logits`` and, if asked for, ``pred_prob``.

    Args:
        model: with a decoder.
        cfg: views and fusion in ``cfg.seg``.
        passes: of the network over the images and their mirrors.
        photos: (3, H, W) each, normalised, before any resizing.
        samples: to be filled.
        sizes: (H, W) of the outputs.
    """
    raw = decoder_pairs(cfg, passes)
    grid = tuple(raw[0][0].shape[-2:]) if cfg.seg.fuse_at == 'logits' else None
    for i, (sample, size) in enumerate(zip(samples, sizes, strict=True)):
        one = [(p[i : i + 1], None if m is None else m[i : i + 1]) for p, m in raw]
        scores = fuse_seg_logits(one, size, cfg.seg.pair, cfg.seg.fuse, grid)
        sample.set_field(PixelData(data=scores[0]), 'seg_logits')
        refiner = cfg.post_processor
        if refiner is not None:
            pixels = resize(model.grey_levels(photos[i][None]), size)
            scores = refine_maps(
                post_processor(model, refiner).to(pixels.device),
                pixels,
                scores.softmax(1),
            )
        sample.set_field(PixelData(data=scores.argmax(1)), 'pred_sem_seg')
        if 'prob' in cfg.outputs:
            prob = scores.softmax(1) if refiner is None else scores
            sample.set_field(PixelData(data=prob[0]), 'pred_prob')


def segment_maps(
    model: WeakSegmentor,
    cfg: InferenceCfg,
    photo: Tensor,
    maps: Tensor,
    labels: ImageLabels,
    sample: SegDataSample,
) -> None:
    """Add ``pred_sem_seg`` and, if asked for, ``pred_prob``, of class maps.

    Args:
        model: whose picture this is.
        cfg: with the labeler in ``cfg.seg``.
        photo: (3, h, w), normalised, before any resizing.
        maps: (1, K, H, W) in [0, 1] at the size of the output.
        labels: their classes.
        sample: to be filled.
    """
    size = tuple(maps.shape[-2:])
    pixels = resize(model.grey_levels(photo[None]), size)
    found = map_labeler(model, cfg).to(maps.device)(pixels, maps, labels)
    sample.set_field(PixelData(data=found.ids), 'pred_sem_seg')
    if 'prob' in cfg.outputs:
        background = 1 - maps.amax(1, keepdim=True)
        soft = torch.cat([background, maps], 1) if found.soft is None else found.soft
        soft = resize(soft, size)
        every = torch.cat([soft[:, :1], labels.scatter(soft[:, 1:])], 1)
        every = every / every.sum(1, keepdim=True)
        sample.set_field(PixelData(data=every[0]), 'pred_prob')


def map_labeler(model: WeakSegmentor, cfg: InferenceCfg) -> nn.Module:
    """The labeler of ``test_cfg.seg``, built once for a model.

    Raises:
        UserError: if it reads side inputs, which a prediction hasn't got.
    """

    def build(settings: Mapping[str, Any]) -> nn.Module:
        labeler = LABELERS.build(dict(settings))
        if labeler.side_inputs:
            raise UserError(
                f'test_cfg.seg.labeler={type(labeler).__name__} reads '
                f'{list(labeler.side_inputs)}, and a segmentation is made of picture '
                'and maps alone: take another labeler'
            )
        return labeler

    return _kept(model, '_map_labeler', cfg.seg.labeler, build)


def decoder_pairs(
    cfg: InferenceCfg, passes: Views
) -> list[tuple[Tensor, Tensor | None]]:
    """The decoder's logits (B, C + 1, h, w) for each scale: of images and mirrors."""
    raw = []
    for scale in cfg.seg.scales:
        flipped = passes.seg_logits(float(scale), True) if cfg.seg.mirror else None
        raw.append((passes.seg_logits(float(scale), False), flipped))
    return raw


def post_processor(model: WeakSegmentor, refiner: Mapping[str, Any]) -> nn.Module:
    """The refiner of ``test_cfg.post_processor``, built once for a model.

    Raises:
        ValueError: if it is none.
    """
    return _kept(
        model, '_post_processor', refiner, lambda cfg: build_refiner(dict(cfg))
    )


def _kept(
    model: WeakSegmentor, name: str, settings: Any, build: Callable[[Any], Any]
) -> nn.Module:
    """What is built of some settings, the same again until they change."""
    marks = model.averaged.owner.__dict__  # a teacher's network is a passing copy
    kept = marks.get(name)
    if kept is None or kept[0] != settings:
        kept = marks[name] = settings, build(settings)  # no child: it has no weights
    return kept[1]
