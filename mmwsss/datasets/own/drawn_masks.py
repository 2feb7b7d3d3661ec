# Licensed under Apache-2.0.
"""Masks drawn from the polygons of COCO files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmwsss.datasets.coco_masks import class_mask
from mmwsss.datasets.image_names import clean_name, label_name
from mmwsss.datasets.label_channels import BACKGROUND, LabelChannels
from mmwsss.datasets.readers.coco_reader import CocoReader
from mmwsss.datasets.readers.label_source import LabelSource
from mmwsss.io.data_errors import LabelError, MaskError
from mmwsss.io.image_files import image_stem
from mmwsss.io.label_png import save_label_png
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import size_of

from .found_parts import Part
from .gathered import Gathered

_STORED, _UPRIGHT = PictureRule(exif='ignore'), PictureRule(exif='turn')


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
        listed = _listed(part, data, content)
        sizes = {name: image for image, name in listed}
        for name, objects in _objects(listed, content, ids).items():
            path = Path(folder, f'{image_stem(name)}.png')
            size = _canvas(part.labels, sizes[name], data.pictures[name].path)
            save_label_png(_mask(part.labels, objects, ids, size), path)
            found[name] = str(path)
    return found


@contextmanager
def told_by_labels(folder: str, parts: Sequence[Part]) -> Iterator[None]:
    """Name the COCO file, not the drawn mask, where one is refused within it.

    Args:
        folder: of the drawn masks, which is gone afterwards.
        parts: of :func:`draw_masks`.

    Raises:
        MaskError: as it was raised, by its label file.
    """
    try:
        yield
    except MaskError as err:
        name = os.path.relpath(err.path, folder)
        if name.startswith('..'):
            raise
        part = next(part for part in parts if name.startswith(part.prefix))
        what = f'gives polygons whose mask does not fit: {name} {err.problem}'
        raise MaskError(part.labels, what, err.fix) from None


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


def _listed(
    part: Part, data: Gathered, content: Mapping[str, Any]
) -> list[tuple[Mapping[str, Any], str]]:
    """Entries of a COCO file, each with the name that its picture gets.

    A picture may have several.

    Raises:
        LabelError: naming a picture of the part that the file doesn't list.
    """
    names = {
        image_stem(found.own_name): name
        for name, found in data.pictures.items()
        if found.split == part.split
    }
    listed: list[tuple[Mapping[str, Any], str]] = []
    for image in content['images']:
        own = clean_name(image['file_name'], part.labels, part.images)
        if image_stem(own) in names:  # else it was left out
            listed.append((image, names[image_stem(own)]))
    absent = sorted(set(names.values()) - {name for _, name in listed})
    if absent:
        raise LabelError(
            part.labels,
            f'lists {len(absent)} of {len(names)} pictures not (first: {absent[0]})',
            'correct the names, or give a folder of masks to --masks',
        )
    return listed


def _objects(
    listed: Sequence[tuple[Mapping[str, Any], str]],
    content: Mapping[str, Any],
    ids: Mapping[int, int],
) -> dict[str, list[dict]]:
    """Annotations of classes, by picture."""
    names = {image['id']: name for image, name in listed}
    objects: dict[str, list[dict]] = {name: [] for name in names.values()}
    for item in content['annotations']:
        if item['image_id'] in names and item['category_id'] in ids:
            objects[names[item['image_id']]].append(item)
    return objects


def _canvas(labels: str, image: Mapping[str, Any], path: str) -> tuple[int, int]:
    """(H, W) that polygons lie on: of the picture as stored, or upright.

    Raises:
        LabelError: if the file says another size than the picture has either way.
    """
    stored, upright = size_of(path, _STORED), size_of(path, _UPRIGHT)
    said = image.get('height'), image.get('width')
    if said == upright:
        return upright
    if said == stored or not all(said):
        return stored
    raise LabelError(
        labels,
        f'says that {path} is {said[1]} x {said[0]}, and it is {stored[1]} x '
        f'{stored[0]} (width x height): its polygons lie elsewhere',
        'give the pictures that were annotated, not resized ones, or export it again',
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
