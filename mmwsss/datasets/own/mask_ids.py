# Licensed under Apache-2.0.
"""Masks as other tools write them: found by the picture's name, read as class ids."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmwsss.datasets.mask_checks.mask_facts import MaskFacts
from mmwsss.datasets.mask_checks.meaning import command
from mmwsss.datasets.side_inputs.ids_kind import decode_mask
from mmwsss.io.data_errors import MaskError
from mmwsss.io.image_files import FileFinder, image_stem, images_below

#: how masks are told apart from pictures by tools that write both
ENDS = ('', '_mask', '_gt', '_label')
SUFFIXES = ('.png', '.bmp', '.PNG')
_IGNORE = 255
_FURTHER = re.compile(r'(_(?:mask|gt|label))[ _-]?\d+$')


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
        path = next(filter(None, (files.there(one, SUFFIXES) for one in tried)), None)
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


def refuse_further_masks(
    rest: Iterable[str | os.PathLike], masks: Iterable[str], names: Iterable[str]
) -> None:
    """Refuse a second mask of a picture, ``a_mask_1.png``, which would be lost.

    Args:
        rest: files of the folder that aren't taken.
        masks: those that are.
        names: of the pictures.

    Raises:
        MaskError: naming the first, and how many there are.
    """
    known = {os.path.basename(image_stem(str(path))) for path in (*masks, *names)}
    several = [
        path
        for path in map(str, rest)
        for stem in [os.path.basename(image_stem(path))]
        if _FURTHER.search(stem)
        and {_FURTHER.sub(r'\1', stem), _FURTHER.sub('', stem)} & known
    ]
    if several:
        raise MaskError(
            several[0],
            f'is one of several masks of a picture, of which one is read; there are '
            f'{len(several)} such files',
            'put all masks of a picture into one file of its name',
        )


def read_ids(path: str) -> np.ndarray:
    """The numbers (H, W) of a mask.

    Raises:
        MaskError: if it holds colours, or is no picture.
    """
    with open(path, 'rb') as file:
        return decode_mask(file.read(), path).astype(np.int64)


def are_binary(masks: Iterable[MaskFacts]) -> bool:
    """Whether masks hold 0 and 255 alone: 255 is then the object, not "ignore"."""
    ids = {i for mask in masks for i in (mask.pixels if not mask.is_colour else (-1,))}
    return ids == {0, _IGNORE}


def perhaps_inverted(masks: Sequence[MaskFacts]) -> str | None:
    """A warning where 255 covers more than 0 in most masks of 0 and 255.

    Objects that are larger than the rest of their picture are rare, but no error.
    """
    told = [mask for mask in masks if _IGNORE in mask.pixels]
    large = [mask for mask in told if 2 * mask.pixels[_IGNORE] > mask.total]
    if 2 * len(large) <= len(told):
        return None
    swap = command(large, '--map', ['0=255', '255=0'])
    return (
        f'{large[0].path}: 255, taken for the object, covers more than 0 does in '
        f'{len(large)} of {len(told)} masks: if it is their background, {swap}'
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
