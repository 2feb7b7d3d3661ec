# Licensed under Apache-2.0.
"""Masks drawn from the polygons of COCO files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.coco_masks import class_mask
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem
from mmwsss.io.label_png import save_label_png
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import size_of

from .found_parts import Part
from .gathered import Gathered

#: polygons lie on the pixels as stored
_STORED = PictureRule(exif='ignore')


def draw_masks(
    parts: Sequence[Part], data: Gathered, folder: str | Path
) -> dict[str, str]:
    """Draw the mask of every picture.

    Args:
        parts: whose labels are COCO files with segmentations.
        data: what they hold.
        folder: where masks are written.

    Returns:
        Path of each picture's mask.

    Raises:
        LabelError: if a part is no COCO file, or has boxes alone.
    """
    found: dict[str, str] = {}
    for part in parts:
        content = _coco(part.labels)
        ids = {name: i for i, name in enumerate(data.classes, 1)}
        known = {
            c['id']: ids[c['name']] for c in content['categories'] if c['name'] in ids
        }
        objects = defaultdict(list)
        for item in content['annotations']:
            objects[item['image_id']].append(item)
        for image in content['images']:
            name = part.prefix + image['file_name']
            if name not in data.pictures:
                continue
            path = Path(folder, f'{image_stem(name)}.png')
            size = size_of(data.pictures[name].path, _STORED)
            save_label_png(_mask(part.labels, objects[image['id']], known, size), path)
            found[name] = str(path)
    return found


def _coco(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        if {'images', 'annotations', 'categories'} <= set(content):
            return content
    except (OSError, ValueError):
        pass
    raise LabelError(
        path,
        'is no COCO file, from which masks could be drawn',
        'give a folder of masks to --masks',
    )


def _mask(path: str, objects: list[dict], known: dict, size: tuple[int, int]) -> Any:
    try:
        return class_mask(objects, known, size)
    except (KeyError, ValueError, TypeError) as error:
        raise LabelError(
            path,
            f'has an object that can not be drawn ({error!r})',
            'export it with segmentations, or leave out --masks',
        ) from error
