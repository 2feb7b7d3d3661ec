# Licensed under Apache-2.0.
"""A folder of predicted masks for a labelling tool."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log

from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_file, claim_outputs
from mmwsss.pipeline.workers import parallel_map

from .coco_file import MADE_BY, coco_content, coco_objects
from .export_masks_cfg import ExportMasksCfg
from .labelme_file import labelme_content
from .mask_tasks import (
    MaskRegions,
    MaskTask,
    find_masks,
    read_regions,
)


class Counts(NamedTuple):
    """What became of the pixels of some masks; adds up.

    Attributes:
        pictures: masks.
        objects: that were written.
        small: pixels of regions that were left out.
        ignored: pixels of the id 255.
        turned: pictures that are turned by their EXIF.
    """

    pictures: int
    objects: int
    small: int
    ignored: int
    turned: int

    @classmethod
    def of(cls, found: MaskRegions) -> Counts:
        """Of one mask."""
        ignored = int(found.ignored.sum())
        return cls(1, len(found.regions), found.small, ignored, int(found.turned))

    @classmethod
    def total(cls, parts: Sequence[Counts]) -> Counts:
        """Of all masks."""
        return cls(*map(sum, zip(*parts, strict=True)))


def export_coco(
    masks: str | Path, img_dir: str | Path, out: str | Path, cfg: ExportMasksCfg,
    workers: int = 0,
) -> Counts:  # fmt: skip
    """Write one instances file of COCO.

    Args:
        masks: folder of masks: ids 0..C, 255 = ignored, which has no place in COCO.
        img_dir: folder of their pictures.
        out: the JSON file.
        cfg: names, regions, shapes.
        workers: processes; 0: the work is done in this one.

    Raises:
        DataError: if a picture is missing, or a mask can't be what it should be.
    """
    if Path(out).suffix != '.json':
        raise UserError(f'--out {out} must be a .json file for --format coco')
    claim_file(out, [masks, img_dir], keys=(MADE_BY,))
    tasks = find_masks(masks, img_dir)
    found = parallel_map(partial(_coco_part, cfg), tasks, workers)
    sizes, objects, counts = zip(*found, strict=True)
    content = coco_content(tasks, sizes, objects, cfg.classes, img_dir)
    write_atomic(f'{json.dumps(content)}\n'.encode(), out)
    return Counts.total(counts)


def _coco_part(
    cfg: ExportMasksCfg, task: MaskTask
) -> tuple[tuple[int, int], list[dict], Counts]:
    found = read_regions(task, cfg)
    return found.size, coco_objects(found, cfg), Counts.of(found)


def export_labelme(
    masks: str | Path, img_dir: str | Path, out: str | Path, cfg: ExportMasksCfg,
    workers: int = 0,
) -> Counts:  # fmt: skip
    """Write a file of LabelMe for each mask, under its name.

    Args, raises: those of :func:`export_coco`; ``out`` is a folder.
    """
    if cfg.shape != 'polygon':
        raise UserError(f'LabelMe knows polygons alone: leave out --shape {cfg.shape}')
    tasks = find_masks(masks, img_dir)
    planned = [(f'{task.name}.json', task.mask) for task in tasks]
    claim_outputs(out, planned, [masks, img_dir])
    return Counts.total(parallel_map(partial(_labelme_file, cfg, out), tasks, workers))


def _labelme_file(cfg: ExportMasksCfg, out: str | Path, task: MaskTask) -> Counts:
    found, file = read_regions(task, cfg), Path(out, f'{task.name}.json')
    content = labelme_content(task, found, cfg, file)
    write_atomic(f'{json.dumps(content, indent=2)}\n'.encode(), file, durable=False)
    return Counts.of(found)


#: format → what writes it
FORMATS: dict[str, Callable[..., Counts]] = dict(
    coco=export_coco, labelme=export_labelme
)


def say(counts: Counts, out: str | Path, name: str) -> None:
    """What was written, and what has no place in it."""
    print_log(f'{counts.objects} objects of {counts.pictures} pictures in {out}')
    if counts.small:
        print_log(f'{counts.small} pixels of smaller regions are left out')
    if counts.ignored and name == 'coco':
        print_log(f'{counts.ignored} pixels of the id 255 are left out: COCO has none')
    if counts.turned:
        print_log(
            f'{counts.turned} pictures are turned by their EXIF, and their masks with '
            'them: a tool that shows pictures as stored shows both apart',
            level=logging.WARNING,
        )
