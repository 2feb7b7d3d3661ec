# Licensed under Apache-2.0.
"""Masks drawn from the polygons of COCO files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.coco_masks import class_mask
from mmwsss.datasets.image_names import clean_name, label_name
from mmwsss.datasets.label_channels import BACKGROUND, LabelChannels
from mmwsss.datasets.readers.coco_reader import CocoReader
from mmwsss.datasets.readers.label_source import LabelSource
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
        LabelError: if a part is no COCO file, has boxes alone, or doesn't list a
            picture of its own.
    """
    found: dict[str, str] = {}
    for part in parts:
        content = _coco(part.labels)
        ids = _class_ids(content['categories'], data.classes)
        for name, objects in _objects(part, data, content, ids).items():
            path = Path(folder, f'{image_stem(name)}.png')
            size = size_of(data.pictures[name].path, _STORED)
            save_label_png(_mask(part.labels, objects, ids, size), path)
            found[name] = str(path)
    return found


def _coco(path: str) -> dict[str, Any]:
    """The content of a COCO file."""
    source = LabelSource(path)
    if CocoReader().fits(source) and 'categories' in source.json:
        return source.json
    raise LabelError(
        path,
        'is no COCO file, from which masks could be drawn',
        'give a folder of masks to --masks',
    )


def _class_ids(
    categories: Sequence[Mapping[str, Any]], classes: Sequence[str]
) -> dict[int, int]:
    """Class id 1..C by the id of its category; those of "no object" have none."""
    table = LabelChannels((BACKGROUND, *classes)).table
    channels = {c['id']: table.get(label_name(c['name'])) for c in categories}
    return {key: i + 1 for key, i in channels.items() if i is not None}


def _objects(
    part: Part, data: Gathered, content: Mapping[str, Any], ids: Mapping[int, int]
) -> dict[str, list[dict]]:
    """Annotations of classes, by the names that the pictures of a part get.

    Raises:
        LabelError: naming a picture of the part that the file doesn't list.
    """
    names = {
        image_stem(found.own_name): name
        for name, found in data.pictures.items()
        if found.split == part.split
    }
    pictures: dict[int, str] = {}
    for image in content['images']:
        own = clean_name(image['file_name'], part.labels, part.images)
        if image_stem(own) in names:  # else it was left out
            pictures[image['id']] = names[image_stem(own)]
    absent = sorted(set(names.values()) - set(pictures.values()))
    if absent:
        raise LabelError(
            part.labels,
            f'lists {len(absent)} of {len(names)} pictures not (first: {absent[0]})',
            'correct the names, or give a folder of masks to --masks',
        )
    objects: dict[str, list[dict]] = {name: [] for name in pictures.values()}
    for item in content['annotations']:
        if item['image_id'] in pictures and item['category_id'] in ids:
            objects[pictures[item['image_id']]].append(item)
    return objects


def _mask(path: str, objects: list[dict], known: dict, size: tuple[int, int]) -> Any:
    try:
        return class_mask(objects, known, size)
    except (KeyError, ValueError, TypeError) as error:
        raise LabelError(
            path,
            f'has an object that can not be drawn ({error!r})',
            'export it with segmentations, or leave out --masks',
        ) from error
