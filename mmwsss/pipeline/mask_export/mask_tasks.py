# Licensed under Apache-2.0.
"""Which masks of a folder are exported, and what each holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from mmwsss.datasets.side_inputs.ids_kind import ID_MODES, check_mask, decode_mask
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import IMAGE_SUFFIXES, FileFinder, images_below
from mmwsss.io.pictures.levels import upright_size
from mmwsss.io.pictures.reader import picture_kind

from .export_masks_cfg import ExportMasksCfg
from .regions import Region, find_regions

IGNORED = 255


class MaskTask(NamedTuple):
    """One mask with its picture.

    Attributes:
        name: below its folder, without suffix, with slashes.
        mask: path.
        picture: path.
    """

    name: str
    mask: str
    picture: str


class MaskRegions(NamedTuple):
    """What a mask holds.

    Attributes:
        size: (H, W) in pixels.
        regions: the largest first.
        ignored: (H, W) bool, pixels of the id 255.
        small: pixels of regions that were left out.
        turned: whether its photo is turned by its EXIF.
    """

    size: tuple[int, int]
    regions: list[Region]
    ignored: np.ndarray
    small: int
    turned: bool


def find_masks(folder: str | Path, img_dir: str | Path) -> list[MaskTask]:
    """The masks of a folder and below it, each with the picture of its name.

    PNGs of colours, as panels are, are left out, and said.

    Raises:
        DataError: if pictures are missing.
        UserError: if there is no mask.
    """
    root = Path(folder)
    pngs = [path for path in images_below(root) if path.suffix.lower() == '.png']
    masks = [path for path in pngs if _mode(path) in ID_MODES]
    if not masks:
        raise UserError(f'{folder} holds no masks (PNGs of class ids)')
    if len(masks) < len(pngs):
        first = next(path for path in pngs if path not in set(masks))
        print_log(
            f'{len(pngs) - len(masks)} PNGs of colours, no masks, are left out (first: '
            f'{first})'
        )
    pictures = FileFinder(str(img_dir), True)
    names = [path.relative_to(root).with_suffix('').as_posix() for path in masks]
    tasks = [
        MaskTask(name, str(path), pictures.find(name, IMAGE_SUFFIXES))
        for name, path in zip(names, masks, strict=True)
    ]
    pictures.refuse_missing(DataError, 'pictures', len(tasks), 'correct --img-dir')
    return tasks


def _mode(path: Path) -> str:
    """Pillow's mode; of what it can't open one of ids: reading it says what's wrong."""
    try:
        with Image.open(path) as picture:
            return picture.mode
    except (OSError, SyntaxError):
        return ID_MODES[0]


def read_regions(task: MaskTask, cfg: ExportMasksCfg) -> MaskRegions:
    """The regions of one mask.

    Raises:
        MaskError: if it can't be read, holds an unknown id or has another size than its
            picture.
    """
    ids = decode_mask(Path(task.mask).read_bytes(), task.mask)
    check_mask(ids, task.mask, len(cfg.classes) + 1)
    turned = _check_size(task, ids.shape)
    classes = range(1, len(cfg.classes) + 1)
    regions = find_regions(ids, classes, cfg.joined, cfg.min_area)
    ignored = ids == IGNORED
    objects = int(((ids > 0) & ~ignored).sum())
    small = objects - sum(region.area for region in regions)
    return MaskRegions(ids.shape, regions, ignored, small, turned)


def _check_size(task: MaskTask, size: Sequence[int]) -> bool:
    """Whether the photo is turned upright by its EXIF, as the mask then is too.

    Raises:
        MaskError: if mask and photo differ in size.
    """
    kind = picture_kind(task.picture)
    upright = upright_size(kind.size, kind.orientation)
    if tuple(size) not in (upright, tuple(kind.size)):
        raise MaskError(
            task.mask,
            f'has {size[1]} x {size[0]} pixels, its picture {task.picture} '
            f'{upright[1]} x {upright[0]} (width x height)',
            'predict it again, or correct --img-dir',
        )
    return (kind.orientation or 1) != 1
