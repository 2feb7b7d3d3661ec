# Licensed under Apache-2.0.
"""The pictures of a report, drawn and written into its page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmseg.structures import SegDataSample
from PIL import Image

from mmwsss.io.palette import full_palette
from mmwsss.io.pictures.reader import read_picture, shown
from mmwsss.visualization.overlays import cam_overlay, resize_picture
from mmwsss.visualization.panels import TITLES, sample_tiles
from mmwsss.visualization.samples import sample_outputs

from .network_runner import NetworkRunner

#: sides of the pictures in pixels; smaller ones are enlarged
_MIN_SIDE, _MAX_SIDE = 128, 288
_QUALITY = 80
_NAMES = {'cam': 'CAM, all classes', 'uncertainty': 'where it is unsure'}


@dataclass(frozen=True)
class ShownTile:
    """A drawing.

    Attributes:
        title: what it shows.
        source: the picture itself, as a data URI.
    """

    title: str
    source: str


@dataclass(frozen=True)
class ShownPicture:
    """What a network made of one picture, drawn.

    Attributes:
        photo: the picture.
        prediction: mask of the decoder, else the CAM of all classes; ``None`` if there
            is neither.
        truth: ``None`` without a mask.
        more: CAM of each class, pseudo label, where the network is unsure.
    """

    photo: ShownTile
    prediction: ShownTile | None
    truth: ShownTile | None
    more: tuple[ShownTile, ...]


def draw_pictures(
    runner: NetworkRunner, wanted: Mapping[int, str], classes: Sequence[str]
) -> dict[str, ShownPicture]:
    """Predict pictures once more, with the CAM of each class, and draw them.

    Args:
        runner: with the network.
        wanted: index → name.
        classes: names by id, background first.
    """
    drawn = {}
    meta = runner.picture_set.dataset.metainfo
    for index, sample in runner.samples(list(wanted), class_maps=True):
        info = runner.picture_set.dataset.get_data_info(index)
        rule = info.get('picture')
        photo = shown(read_picture(info['img_path'], rule).pixels, rule)
        doubt = runner.doubt(sample, len(classes))
        heat = None if doubt is None else doubt.cpu().numpy()
        drawn[wanted[index]] = draw(sample, photo, classes, meta.get('palette'), heat)
    return drawn


def draw(
    sample: SegDataSample,
    photo: np.ndarray,
    classes: Sequence[str],
    palette: Any = None,
    doubt: np.ndarray | None = None,
) -> ShownPicture:
    """Draw what a network made of a picture.

    Args:
        sample: with predictions, and the truth if there is one.
        photo: RGB (H, W, 3) uint8.
        classes: names by id, background first.
        palette: colours by id.
        doubt: (H, W) in [0, 1], where the network is unsure.
    """
    outputs = sample_outputs(sample)
    maps = _class_maps(sample)
    if maps and 'seg' in outputs:  # else it is all there is to be seen at first
        outputs.pop('cam', None)
    if doubt is not None:
        outputs['uncertainty'] = doubt
    tiles = sample_tiles(
        photo, outputs, classes, palette, min_side=_MIN_SIDE, max_side=_MAX_SIDE
    )
    named = dict(zip(['photo', *_in_order(outputs)], tiles, strict=True))
    base = named.pop('photo').picture
    cams = [
        ShownTile(f'CAM: {classes[i]}', data_uri(cam_overlay(base, _fitted(one, base))))
        for i, one in maps.items()
    ]
    shown_tiles = {
        name: ShownTile(_NAMES.get(name, tile.title), data_uri(tile.picture))
        for name, tile in named.items()
    }
    truth = shown_tiles.pop('truth', None)
    prediction = shown_tiles.pop('seg', None) or shown_tiles.pop('cam', None)
    photo_tile = ShownTile('photo', data_uri(base))
    return ShownPicture(photo_tile, prediction, truth, (*cams, *shown_tiles.values()))


def _in_order(outputs: Mapping[str, Any]) -> list[str]:
    """Names of the outputs in the order in which they are drawn."""
    return [name for name in TITLES if name in outputs]


def _class_maps(sample: SegDataSample) -> dict[int, np.ndarray]:
    """Class id → (H, W) in [0, 1], where the sample holds them."""
    if 'class_maps' not in sample:
        return {}
    maps, ids = sample.class_maps[1]
    return {int(i): one.float().cpu().numpy() for i, one in zip(ids, maps)}


def _fitted(score: np.ndarray, picture: np.ndarray) -> np.ndarray:
    return np.clip(resize_picture(score, picture.shape[:2]), 0, 1)


def data_uri(picture: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 as text that an ``<img>`` shows."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, 'JPEG', quality=_QUALITY)
    return 'data:image/jpeg;base64,' + base64.b64encode(out.getvalue()).decode()


def swatches(classes: Sequence[str], palette: Any) -> list[tuple[str, str]]:
    """(name, CSS colour) of each foreground class."""
    colours = full_palette(palette)
    return [
        (name, 'rgb({} {} {})'.format(*colours[i]))
        for i, name in enumerate(classes)
        if i
    ]
