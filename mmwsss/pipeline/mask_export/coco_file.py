# Licensed under Apache-2.0.
"""Masks as one instances file of COCO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco

from mmwsss.version import __version__

from .export_masks_cfg import ExportMasksCfg
from .mask_tasks import MaskRegions, MaskTask
from .polygons import polygons_of
from .regions import Region

#: entry of the file by which it is known as ours
MADE_BY = 'mmwsss'


def coco_objects(found: MaskRegions, cfg: ExportMasksCfg) -> list[dict[str, Any]]:
    """The annotations of one picture, without ids.

    ``area`` counts pixels, so that whoever draws the smaller on top draws the mask.
    """
    draw = _runs if cfg.shape == 'rle' else _corners
    return [
        dict(
            category_id=region.id,
            bbox=[region.left, region.top, *region.mask.shape[::-1]],
            area=region.area,
            iscrowd=0,
            segmentation=draw(region, found.size, cfg),
        )
        for region in found.regions
    ]


def _corners(
    region: Region, size: tuple[int, int], cfg: ExportMasksCfg
) -> list[list[float]]:
    lines = polygons_of(region.mask, region.top, region.left, cfg.tolerance)
    return [line.ravel().tolist() for line in lines]


def _runs(region: Region, size: tuple[int, int], cfg: ExportMasksCfg) -> dict[str, Any]:
    """COCO's compressed runs of the whole picture."""
    full = np.zeros(size, np.uint8, order='F')
    height, width = region.mask.shape
    box = full[region.top : region.top + height, region.left : region.left + width]
    box[:] = region.mask
    return dict(size=list(size), counts=coco.encode(full)['counts'].decode('ascii'))


def coco_content(
    tasks: Sequence[MaskTask],
    sizes: Sequence[tuple[int, int]],
    objects: Sequence[Sequence[dict[str, Any]]],
    classes: Sequence[str],
    img_dir: str | Path,
) -> dict[str, Any]:
    """An instances file: images in the order of the masks, ids from 1 on.

    Args:
        tasks: of the pictures.
        sizes: (H, W) of each.
        objects: annotations of each, see :func:`coco_objects`.
        classes: names of the ids 1..C.
        img_dir: to which the names of the images are relative.
    """
    images = [
        dict(
            id=number,
            file_name=Path(os.path.relpath(task.picture, img_dir)).as_posix(),
            height=size[0],
            width=size[1],
        )
        for number, (task, size) in enumerate(zip(tasks, sizes, strict=True), 1)
    ]
    owned = [(i, one) for i, of in enumerate(objects, 1) for one in of]
    return {
        MADE_BY: __version__,
        'info': dict(description='predicted masks'),
        'licenses': [],
        'categories': [dict(id=i, name=name) for i, name in enumerate(classes, 1)],
        'images': images,
        'annotations': [
            dict(id=number, image_id=image, **one)
            for number, (image, one) in enumerate(owned, 1)
        ],
    }
