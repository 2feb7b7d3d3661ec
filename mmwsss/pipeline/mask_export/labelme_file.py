# Licensed under Apache-2.0.
"""Masks as files of LabelMe, one a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.readers.labelme_reader import IGNORED as IGNORED_NAME

from .export_masks_cfg import ExportMasksCfg
from .mask_tasks import MaskRegions, MaskTask
from .polygons import polygons_of
from .regions import find_regions

#: of the format
_VERSION = '5.0.0'


def labelme_content(
    task: MaskTask, found: MaskRegions, cfg: ExportMasksCfg, file: str | Path
) -> dict[str, Any]:
    """A file of LabelMe: polygons, the largest first, so that small ones lie on top.

    Pixels of the id 255 get LabelMe's ``__ignore__``.

    Args:
        task: the picture.
        found: its regions.
        cfg: names and tolerance.
        file: where it will lie; the way from there to the picture is written.
    """
    return dict(
        version=_VERSION,
        flags={},
        shapes=[_shape(*entry) for entry in _lines(found, cfg)],
        imagePath=Path(os.path.relpath(task.picture, Path(file).parent)).as_posix(),
        imageData=None,
        imageHeight=found.size[0],
        imageWidth=found.size[1],
    )


def _lines(
    found: MaskRegions, cfg: ExportMasksCfg
) -> Iterator[tuple[str, int | None, np.ndarray]]:
    """Name, number of the object where it has several polygons, and polygon."""
    ignored = find_regions(found.ignored, range(1, 2))
    named = [(cfg.classes[region.id - 1], region) for region in found.regions]
    everything = (*((IGNORED_NAME, part) for part in ignored), *named)
    for number, (name, region) in enumerate(everything):
        lines = polygons_of(region.mask, region.top, region.left, cfg.tolerance)
        for line in lines:
            yield name, number if len(lines) > 1 else None, line


def _shape(name: str, group: int | None, line: np.ndarray) -> dict[str, Any]:
    return dict(
        label=name,
        points=line.tolist(),
        group_id=group,
        description='',
        shape_type='polygon',
        flags={},
    )
