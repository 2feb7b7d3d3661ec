# Licensed under Apache-2.0.
"""Which tiles a data set is cut into, and what they hold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.own.layout import IMAGES, MASKS, listed_splits
from mmwsss.datasets.own.own_folder import open_split
from mmwsss.io.data_errors import DataError
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.image_files import image_stem, images_below
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import picture_kind, size_of
from mmwsss.models.prediction.windows import Box, window_boxes

#: what a tile's label comes from; ``none``: tiles without labels, to be predicted
SOURCES = ('mask', 'picture', 'none')


@dataclass(frozen=True)
class TileCfg:
    """How pictures are cut.

    Attributes:
        size: side of the tiles in pixels; a smaller picture is one tile.
        overlap: share of a tile that neighbours have in common at least, in [0, 1).
        labels: one of ``SOURCES``. ``'mask'``: the classes of the tile's part of the
            mask; ``'picture'``: those of its whole picture, which is right only where
            every tile holds them.
        min_pixels: of a class in a tile's mask for it to count.

    Raises:
        UserError: if a value is out of range.
    """

    size: int = 256
    overlap: float = 0.25
    labels: str = 'mask'
    min_pixels: int = 32

    def __post_init__(self) -> None:
        check_choice('--labels', self.labels, SOURCES)
        if self.size < 16 or not 0 <= self.overlap < 1 or self.min_pixels < 1:
            raise UserError(
                '--size must be 16 or more, --overlap in [0, 1), --min-pixels 1 or '
                f'more; got {self.size}, {self.overlap}, {self.min_pixels}'
            )


@dataclass(frozen=True)
class Large:
    """A picture that is cut.

    Attributes:
        name: below the folder of pictures.
        path: of its file.
        boxes: of its tiles, row by row.
        suffix: of the tiles: ``.png``, or ``.tif`` for what a PNG doesn't hold.
        size: (H, W), turned as the data set says.
        ids: of its classes; ``None``: unknown.
        mask: path of its mask, or ``None``.
        split: or ``None``.
    """

    name: str
    path: str
    boxes: Sequence[Box]
    suffix: str
    size: tuple[int, int]
    ids: tuple[int, ...] | None = None
    mask: str | None = None
    split: str | None = None

    def tile(self, box: Box) -> str:
        """The name of a tile, which tells its place."""
        return tile_name(self.name, box, self.suffix)


def tile_name(name: str, box: Box, suffix: str) -> str:
    """The name of a tile: that of the picture, and the tile's upper left corner.

    Example:
        >>> tile_name('a/b.jpg', (0, 64, 128, 192), '.png')
        'a/b_y0_x128.png'
    """
    return f'{image_stem(name)}_y{box[0]}_x{box[2]}{suffix}'


def tile_classes(mask: np.ndarray, min_pixels: int) -> tuple[int, ...]:
    """Ids 1..254 of a tile's mask (h, w) that cover enough pixels, ascending."""
    counts = np.bincount(mask.reshape(-1).astype(np.int64), minlength=256)[1:255]
    return tuple((np.flatnonzero(counts >= min_pixels) + 1).tolist())


def plan_tiles(
    source: str, cfg: TileCfg, picture: Mapping[str, Any] | None = None
) -> list[Large]:
    """The pictures of a folder, and their tiles.

    Args:
        source: made by ``folder.py``; with ``labels='none'`` any folder of pictures.
        cfg: how they are cut.
        picture: entries of the folder's ``picture=dict(...)``.

    Raises:
        UserError: if labels are asked for that aren't there.
        DataError: naming what is missing.
    """
    rule = PictureRule(exif=(picture or {}).get('exif'))
    if cfg.labels == 'none':
        return [_large(name, path, cfg, rule) for name, path in _plain(source)]
    masked = os.path.isdir(os.path.join(source, MASKS))
    if cfg.labels == 'mask' and not masked:
        raise UserError(
            f'{source} has no masks that tiles could take their labels from. Where '
            'every tile holds the classes of its picture (land cover, textures; not '
            'small objects), say --labels picture'
        )
    lists = listed_splits(source)
    if not lists:
        raise DataError(source, 'has no splits/train.txt', 'make it by folder.py')
    return [
        _large(name, path, cfg, rule, ids, mask, split)
        for split in lists
        for name, path, ids, mask in _labelled(source, split, picture, masked)
    ]


def _plain(source: str) -> list[tuple[str, str]]:
    """Name and path of the pictures of any folder."""
    root = Path(source)
    root = root / IMAGES if (root / IMAGES).is_dir() else root
    found = images_below(root)
    if not found:
        raise DataError(source, 'holds no picture', 'give a folder of pictures')
    return [(path.relative_to(root).as_posix(), str(path)) for path in found]


def _labelled(
    source: str, split: str, picture: Mapping[str, Any] | None, masked: bool
) -> list[tuple[str, str, tuple[int, ...], str | None]]:
    """Name, path, class ids and mask of the pictures of a split."""
    data = open_split(source, split, picture)
    found: list[tuple[str, str, tuple[int, ...], str | None]] = []
    for index in range(len(data)):
        info = data.get_data_info(index)
        path = info['img_path']
        name = os.path.relpath(path, os.path.join(source, IMAGES))
        mask = os.path.join(source, MASKS, f'{info["img_id"]}.png')
        has_mask = masked and os.path.isfile(mask)
        ids = tuple(channel + 1 for channel in info['gt_labels'])
        found.append((name.replace(os.sep, '/'), path, ids, mask if has_mask else None))
    return found


def _large(
    name: str,
    path: str,
    cfg: TileCfg,
    rule: PictureRule,
    ids: tuple[int, ...] | None = None,
    mask: str | None = None,
    split: str | None = None,
) -> Large:
    """One picture; its header alone is read.

    Raises:
        DataError: if its labels are to come from a mask that isn't there.
    """
    if cfg.labels == 'mask' and mask is None:
        raise DataError(
            path,
            'has no mask that its tiles could take their labels from',
            'add it, or take the picture out',
        )
    kind = picture_kind(path)
    plain = not kind.deep and kind.bands - kind.alpha in (1, 3)
    size = size_of(path, rule)
    boxes = window_boxes(size, (cfg.size, cfg.size), cfg.overlap)
    suffix = '.png' if plain else '.tif'
    return Large(name, path, boxes, suffix, size, ids, mask, split)
