# Licensed under Apache-2.0.
"""Pictures of the report: samples of every class, and the odd ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from PIL import Image

from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.io.data_errors import DataError
from mmwsss.io.pictures.reader import read_rgb
from mmwsss.visualization.overlays import resize_picture
from mmwsss.visualization.panels import Tile, compose_panel, sample_tiles

from .split_check import SplitCheck

#: pictures of a class, classes, odd pictures and tiles in a row that are shown
_SAMPLES, _CLASSES, _ODD, _ACROSS = 3, 40, 24, 6
_SIDES = dict(min_side=128, max_side=160)


def samples_sheet(split: SplitCheck) -> np.ndarray | None:
    """A row for each class: a few pictures, with their masks where there are any.

    Returns:
        RGB (H, W, 3) uint8; ``None`` if no picture can be shown.
    """
    meta = split.dataset.metainfo
    names = ('without an object', *meta['classes'][1:])
    rows = []
    for i, name in enumerate(names[: _CLASSES + 1]):
        infos = [
            info
            for info, photo in zip(split.infos, split.photos, strict=True)
            if not photo.problem
            and (i - 1 in info['gt_labels'] if i else not info['gt_labels'])
        ]
        tiles = [t for info in spread(infos, _SAMPLES) for t in _tiles(info, split)]
        for tile in tiles:
            tile.title = tile.title.replace('photo: ', f'{name}: ')
        if tiles:
            rows.append(tiles)
    return compose_panel(rows, meta['classes'], meta['palette']) if rows else None


def odd_sheet(splits: Sequence[SplitCheck]) -> np.ndarray | None:
    """Pictures that are unusual, and those whose mask contradicts the label.

    Returns:
        RGB (H, W, 3) uint8; ``None`` if there are none that can be shown.
    """
    tiles = [tile for split in splits for tile in _odd_tiles(split)]
    rows = [tiles[i : i + _ACROSS] for i in range(0, len(tiles), _ACROSS)]
    if not rows:
        return None
    meta = splits[0].dataset.metainfo
    return compose_panel(rows, meta['classes'], meta['palette'])


def _odd_tiles(split: SplitCheck) -> Iterator[Tile]:
    words = {photo.path: photo.oddity for photo in split.odd}
    against = {mask.path for mask in split.against}
    for info in split.infos:
        if info.get('seg_map_path') in against:
            words.setdefault(info['img_path'], 'against label')
    chosen = [
        info
        for info, photo in zip(split.infos, split.photos, strict=True)
        if photo.path in words and not photo.problem
    ]
    for info in spread(chosen, _ODD):
        tiles = _tiles(info, split)
        tiles[-1].title = info['img_id']
        tiles[0].title = words[info['img_path']]
        yield from tiles


def _tiles(info: dict, split: SplitCheck) -> list[Tile]:
    """The picture, and its mask over it where there is one."""
    meta = split.dataset.metainfo
    image = read_rgb(info['img_path'], split.dataset.picture)
    side = _SIDES['max_side']
    if max(image.shape[:2]) > 4 * min(image.shape[:2]):  # else nothing is left of it
        image = resize_picture(image, (side, side))
    outputs = {}
    with suppress(OSError, SyntaxError, ValueError, DataError):
        if 'seg_map_path' in info:
            with Image.open(info['seg_map_path']) as mask:
                ids = np.asarray(mask)
            if ids.ndim == 2 and ids.dtype == np.uint8:
                outputs['truth'] = ids
    present = [channel + 1 for channel in info['gt_labels']]
    return sample_tiles(
        image, outputs, meta['classes'], meta['palette'], present, **_SIDES
    )
