# Licensed under Apache-2.0.
"""Masks as files of LabelMe, one a picture."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.readers.labelme_reader import IGNORED as IGNORED_NAME

from .mask_tasks import ExportMasksCfg, MaskRegions, MaskTask
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
        shapes=[_shape(name, line) for name, line in _lines(found, cfg)],
        imagePath=Path(os.path.relpath(task.picture, Path(file).parent)).as_posix(),
        imageData=None,
        imageHeight=found.size[0],
        imageWidth=found.size[1],
    )


def _lines(found: MaskRegions, cfg: ExportMasksCfg) -> Iterator[tuple[str, np.ndarray]]:
    """Name and polygon of each shape."""
    ignored = find_regions(found.ignored, range(1, 2))
    named = [(cfg.classes[region.id - 1], region) for region in found.regions]
    for name, region in (*((IGNORED_NAME, part) for part in ignored), *named):
        for line in polygons_of(region.mask, region.top, region.left, cfg.tolerance):
            yield name, line


def _shape(name: str, line: np.ndarray) -> dict[str, Any]:
    return dict(
        label=name,
        points=line.tolist(),
        group_id=None,
        description='',
        shape_type='polygon',
        flags={},
    )
