# Licensed under Apache-2.0.
"""From the maps of one image to its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmwsss.cam import keep_known
from mmwsss.io.atomic_file import is_whole
from mmwsss.io.label_png import is_label_png, save_label_png
from mmwsss.io.output_folder import inside
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import read_pixels
from mmwsss.io.score_files import save_scores
from mmwsss.labelers.labeler import Labeler, labels_of_ids
from mmwsss.labelers.refiners.refiner import refine_maps
from mmwsss.structures import StoredMaps

from .generate_cfg import SUFFIX, GenerateCfg
from .network_maps import ImageMaps


def output_path(out: str | Path, kind: str, name: str) -> Path:
    """Where one output of an image lies.

    Raises:
        OutputError: if the name leads out of the folder.
    """
    return Path(out) / kind / inside(f'{name}{SUFFIX[kind]}')


def is_done(out: str | Path, save: Sequence[str], name: str) -> bool:
    """Whether all outputs of an image are there, whole and of their kind."""
    return all(
        (is_label_png if kind == 'mask' else is_whole)(output_path(out, kind, name))
        for kind in save
    )


def mask_of(settings: GenerateCfg, maps: ImageMaps, device: str = 'cpu') -> np.ndarray:
    """The label map (H, W) uint8 of an image, 255 = ignored; what is known stays."""
    mask = _made_mask(settings, maps, device)
    if maps.known is None:
        return mask
    return keep_known(torch.from_numpy(mask), torch.from_numpy(maps.known)).numpy()


def _made_mask(settings: GenerateCfg, maps: ImageMaps, device: str) -> np.ndarray:
    """What labeler or decoder say of all pixels."""
    if maps.label is not None:
        return maps.label.astype(np.uint8)
    assert maps.full is not None  # what a mask without a finished label is made of
    full = StoredMaps(*map(torch.from_numpy, maps.full))
    if settings.source == 'seg':
        return _of_the_decoder(settings, maps, full, device)
    side = {name: torch.from_numpy(value)[None] for name, value in maps.side}
    source = maps.image, maps.picture
    return label_of(settings.built_labeler, source, full, device, **side)


def label_of(
    labeler: Labeler,
    picture: tuple[str, PictureRule | None],
    maps: StoredMaps,
    device: str = 'cpu',
    /,
    **side: Tensor,
) -> np.ndarray:
    """The label (H, W) uint8 of one image.

    Args:
        labeler: the rule.
        picture: its path and how it is read, which is done only where the labeler looks
            at it.
        maps: its class maps, at the size of the label.
        device: where to compute.
        **side: what the rule takes besides, (1, H, W) each.
    """
    cam = maps.maps[None].to(device)
    pixels = cam.new_zeros(()).expand(1, 3, *cam.shape[2:])
    if labeler.reads_pixels:
        pixels = read_pixels(picture[0], device, picture[1])
    side = {name: value.to(device) for name, value in side.items()}
    labels = labels_of_ids(maps.ids[None].to(device))
    found = labeler.to(device)(pixels, cam, labels, **side)
    return found.ids[0].cpu().numpy().astype(np.uint8)


def _of_the_decoder(
    settings: GenerateCfg, maps: ImageMaps, full: StoredMaps, device: str
) -> np.ndarray:
    """The strongest label of the decoder's probabilities, refined if asked for."""
    refiner, prob = settings.built_refiner, full.maps[None].to(device)
    if refiner is not None:
        with torch.no_grad():
            pixels = read_pixels(maps.image, device, maps.picture)
            prob = refine_maps(refiner.to(device), pixels, prob)
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
