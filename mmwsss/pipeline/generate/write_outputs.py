# Licensed under Apache-2.0.
"""From the maps of one image to its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmwsss.io.atomic_file import is_whole
from mmwsss.io.label_png import save_label_png
from mmwsss.io.score_files import save_scores
from mmwsss.labelers.refiners.refiner import refine_maps
from mmwsss.pipeline.refine.refine_cfg import label_of, read_pixels
from mmwsss.structures import StoredMaps

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
    assert maps.full is not None  # what a mask without a finished label is made of
    full = StoredMaps(*map(torch.from_numpy, maps.full))
    if settings.source == 'seg':
        return _of_the_decoder(settings, maps, full, device)
    side = {name: torch.from_numpy(value)[None] for name, value in maps.side}
    return label_of(settings.built_labeler, maps.image, full, device, **side)


def _of_the_decoder(
    settings: GenerateCfg, maps: ImageMaps, full: StoredMaps, device: str
) -> np.ndarray:
    """The strongest label of the decoder's probabilities, refined if asked for."""
    refiner, prob = settings.built_refiner, full.maps[None].to(device)
    if refiner is not None:
        with torch.no_grad():
            prob = refine_maps(
                refiner.to(device), read_pixels(maps.image, device), prob
            )
    return full.ids[prob[0].argmax(0).cpu()].numpy().astype(np.uint8)


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
