# Licensed under Apache-2.0.
"""From the maps of one image to its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmwsss.cam import strongest_class, three_way_label, threshold_label
from mmwsss.datasets.transforms.load_rgb_image import read_rgb
from mmwsss.io.atomic_file import is_whole
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores
from mmwsss.labelers.seeds import affinity_seeds
from mmwsss.pipeline.refine.refine_cfg import (
    Item,
    cam_stacks,
    refine_items,
    slots_to_ids,
)
from mmwsss.structures import ClassMaps

from .generate_cfg import SUFFIX, GenerateCfg
from .network_maps import ImageMaps


def output_path(out: str | Path, kind: str, name: str) -> Path:
    """Where one output of an image lies."""
    return Path(out) / kind / f'{name}{SUFFIX[kind]}'


def is_done(out: str | Path, save: Sequence[str], name: str) -> bool:
    """Whether all outputs of an image are there, and whole."""
    return all(is_whole(output_path(out, kind, name)) for kind in save)


def mask_of(settings: GenerateCfg, maps: ImageMaps, device: str = 'cpu') -> np.ndarray:
    """The label map (H, W) uint8 of an image, 255 = ignored."""
    if maps.label is not None:
        return maps.label.astype(np.uint8)
    full = ClassMaps(*map(torch.from_numpy, maps.full))
    if settings.refines:
        pixels = torch.from_numpy(read_rgb(maps.image).copy())
        pixels = pixels.permute(2, 0, 1)
        return (_seeds if settings.refine == 'seeds' else _refined)(
            settings, pixels, full, device
        )
    label = (
        full.ids[full.maps.argmax(0)]
        if settings.source == 'seg'
        else _thresholded(settings, full)
    )
    return label.numpy().astype(np.uint8)


def _refined(
    settings: GenerateCfg, pixels: torch.Tensor, maps: ClassMaps, device: str
) -> np.ndarray:
    stacks, ids = (
        cam_stacks(settings.refiner, *maps)
        if settings.source == 'cam'
        else (maps.maps[None], maps.ids)
    )
    return refine_items(settings.refiner, [Item(pixels, stacks, ids)], device)[0]


@torch.no_grad()
def _seeds(
    settings: GenerateCfg, pixels: torch.Tensor, maps: ClassMaps, device: str
) -> np.ndarray:
    background, foreground = settings.bkg_thr
    slots = affinity_seeds(
        pixels[None].to(device).float(),
        maps.maps[None].to(device),
        settings.refiner.module,
        foreground,
        background,
    )[0]
    return slots_to_ids(slots.cpu(), torch.cat([maps.ids.new_zeros(1), maps.ids]))


def _thresholded(settings: GenerateCfg, maps: ClassMaps) -> torch.Tensor:
    score, label = strongest_class(maps.maps[None], maps.ids[None])
    if settings.alpha is not None:
        return torch.where(score > (1 - score) ** settings.alpha, label, 0)[0]
    if len(settings.bkg_thr) == 2:
        return three_way_label(score, label, *settings.bkg_thr)[0]
    return threshold_label(score, label, settings.bkg_thr[0])[0]


def write_outputs(
    settings: GenerateCfg,
    out: str,
    palette: Sequence[Sequence[int]] | None,
    device: str,
    maps: ImageMaps,
) -> None:
    """Write what is asked for of one image; the mask, which takes longest, last."""
    for kind in ('cam', 'fused', 'prob'):
        if kind in settings.save:
            kept = getattr(maps, kind)
            save_scores(
                output_path(out, kind, maps.name),
                kept.maps,
                kept.ids,
                maps.size,
                settings.dtype,
            )
    if 'mask' in settings.save:
        save_label_png(
            mask_of(settings, maps, device),
            output_path(out, 'mask', maps.name),
            palette,
        )
