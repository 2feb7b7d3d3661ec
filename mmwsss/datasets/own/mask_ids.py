# Licensed under Apache-2.0.
"""Masks as other tools write them: found by the picture's name, read as class ids."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmwsss.datasets.side_inputs.declaration import spread
from mmwsss.datasets.side_inputs.ids_kind import check_mask, decode_mask
from mmwsss.io.data_errors import MaskError
from mmwsss.io.image_files import FileFinder, image_stem, images_below

#: how masks are told apart from pictures by tools that write both
ENDS = ('', '_mask', '_gt', '_label')
SUFFIXES = ('.png', '.bmp', '.PNG')
#: masks that are looked at
LOOKED_AT = 200
#: share of them that may hold none of the classes of their picture's label
DISAGREE = 0.2
_IGNORE = 255


def find_masks(folder: str, names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The mask of each picture that has one.

    It has the picture's name, with its folders or, where no two pictures share it,
    without; ``_mask``, ``_gt`` or ``_label`` may follow.

    Args:
        folder: of the masks.
        names: of each picture: what its mask may be called, with folders.

    Raises:
        MaskError: if not one is there.
    """
    files = FileFinder(folder, True)
    bases = Counter(os.path.basename(image_stem(name)) for name in names)
    found = {}
    for name, others in names.items():
        stems = [image_stem(other) for other in (name, *others)]
        base = os.path.basename(stems[0])
        stems += [base] if bases[base] == 1 else []
        tried = (one + end for one in dict.fromkeys(stems) for end in ENDS)
        path = next(filter(None, (_there(files, one) for one in tried)), None)
        if path is not None:
            found[name] = path
    if not found:
        first = next(iter(names))
        kinds = Counter(Path(path).suffix.lower() for path in images_below(folder))
        seen = ', '.join(f'{count} {suffix}' for suffix, count in kinds.items())
        raise MaskError(
            folder,
            f'holds no mask of any of the {len(names)} pictures (first: {first}), but '
            f'{seen or "no picture"}',
            f'name each as its picture, {image_stem(first)}.png; other formats become '
            'PNGs by tools/dataset_converters/masks.py (not JPEG, which blurs ids: '
            'export them again)',
        )
    return found


def _there(files: FileFinder, stem: str) -> str | None:
    """The file of a name; a finder notes those that it doesn't find."""
    before = len(files.missing)
    path = files.find(stem, SUFFIXES)
    return path if len(files.missing) == before else None


def read_ids(path: str) -> np.ndarray:
    """The numbers (H, W) of a mask.

    Raises:
        MaskError: if it holds colours, or is no picture.
    """
    with open(path, 'rb') as file:
        return decode_mask(file.read(), path).astype(np.int64)


def are_binary(masks: Mapping[str, str]) -> bool:
    """Whether masks hold 0 and 255 alone: 255 is then the object, not "ignore".

    Args:
        masks: path of the mask of each picture; at most ``LOOKED_AT`` are read.

    Raises:
        MaskError: if one can't be read.
    """
    looked = spread(list(masks.values()), LOOKED_AT)
    ids = {int(i) for path in looked for i in np.unique(read_ids(path))}
    return ids <= {0, _IGNORE} and _IGNORE in ids


def check_against_labels(
    masks: Mapping[str, str], labels: Mapping[str, Sequence[int]], num_classes: int
) -> None:
    """Refuse masks whose ids aren't those of the classes that their labels name.

    Args:
        masks: path of the mask of each picture; at most ``LOOKED_AT`` are read.
        labels: ids 1..C of the classes of each picture.
        num_classes: C + 1.

    Raises:
        MaskError: naming the first, and how many there are; and for ids beyond C.
    """
    looked = spread([name for name in masks if labels[name]], LOOKED_AT)
    wrong = []
    for name in looked:
        ids = read_ids(masks[name])
        check_mask(ids, masks[name], num_classes)
        if not set(np.unique(ids).tolist()) & set(labels[name]):
            wrong.append(name)
    if len(wrong) > DISAGREE * len(looked):
        raise MaskError(
            masks[wrong[0]],
            f'holds none of the ids {sorted(labels[wrong[0]])} of the classes that its '
            f'picture is labelled with, as {len(wrong)} of {len(looked)} masks looked '
            'at',
            'give the classes in the order of the ids of the masks, from 1 on '
            '(--classes), or correct the masks',
        )


def object_ids(path: str, ids: Sequence[int]) -> np.ndarray:
    """A mask of 0 and 255 as (H, W) uint8 of 0 and the id of its picture's class.

    Args:
        path: of the mask.
        ids: of the picture's classes.

    Raises:
        MaskError: if the picture has several classes, or none and yet an object.
    """
    found = read_ids(path)
    if not set(np.unique(found).tolist()) <= {0, _IGNORE}:
        raise MaskError(path, 'holds other values than 0 and 255', 'correct it')
    if len(ids) > 1 or (not ids and found.any()):
        raise MaskError(
            path,
            f'marks an object by 255 in a picture of {len(ids)} classes: which one is '
            'it',
            'write class ids, 0 background, 1 the first class',
        )
    return np.where(found > 0, ids[0] if ids else 0, 0).astype(np.uint8)
