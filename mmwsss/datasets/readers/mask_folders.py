# Licensed under Apache-2.0.
"""Folders whose pictures are masks of other folders' pictures, by a few of each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from mmwsss.io.image_files import image_stem

from .vocabulary import Vocabulary

#: how tools and people call folders of masks
MASK_WORDS = frozenset(
    (
        *('masks', 'mask', 'masken', 'maske', 'masques', 'masque', 'mascaras'),
        *('labels', 'label', 'annotations', 'segmentationclass', 'segmentationobject'),
        *('ground_truth', 'groundtruth', 'gt', 'segmentation', 'segmentations'),
    )
)
_END = re.compile(r'_(mask|gt|label)$')
#: the same behind blanks or '-', and with a number, where one picture has several
_BEHIND = re.compile(
    r'[ _-]+(mask|maske|masque|gt|label|seg|segmentation)([ _-]*\d+)?$', re.IGNORECASE
)
#: folders that are looked into, pictures of each, and values that a mask has at most
FOLDERS, EACH, VALUES = 40, 3, 32
_NO_PICTURE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def mask_folders(root: str, names: Iterable[str], known: Vocabulary) -> dict[str, str]:
    """Folders that look like masks, beside others that don't.

    One does by its name, unless its pictures are photos in colours; or where its
    pictures hold few values and are named as those of other folders.

    Args:
        root: the folder that holds them.
        names: paths of pictures below it.
        known: labels that the data set knows; a folder of such a name is a class.

    Returns:
        By folder below the root, why.
    """
    inside: dict[str, list[str]] = {}
    for name in names:
        inside.setdefault(os.path.dirname(name), []).append(name)
    if len(inside) < 2:
        return {}
    spoken = [place for place in inside if _word(place) in MASK_WORDS]
    others = [place for place in inside if place not in spoken]
    looked = {*spoken[:FOLDERS], *others[:: len(others) // FOLDERS + 1]}
    few = {
        place: _few_values(root, inside[place]) for place in inside if place in looked
    }
    if all(few[place] for place in few if place not in spoken):
        few = {place: few[place] for place in few if place in spoken}
    asked = [p for p in few if p not in known and (few[p] or p in spoken)]
    shared = _shared(inside) if asked else {}
    return {
        place: why
        for place in asked
        for why in [_why(few[place], shared[place], place in spoken)]
        if why
    }


def masks_among(root: str, names: Iterable[str], known: Vocabulary) -> list[str]:
    """Masks that lie beside their pictures: ``a_mask.png`` beside ``a.png``.

    They hold few values: a photo may be called so too.

    Args:
        root: the folder that holds the class folders.
        names: paths of pictures below it.
        known: labels that the data set knows, by which nothing is asked.

    Returns:
        Their paths, of which a few were looked at.
    """
    stems = {image_stem(name): name for name in names}
    found = [
        name
        for stem, name in stems.items()
        for own in [_BEHIND.sub('', stem)]
        if own != stem and own in stems
    ]
    return found if found and _few_values(root, found) else []


def _word(place: str) -> str:
    return os.path.basename(place).lower()


def _why(values: int | None, shared: tuple[int, int], spoken: bool) -> str:
    """What says that a folder is one of masks; '' if nothing does."""
    count, total = shared
    what = []
    if values:
        what.append(f'holds pictures of at most {values} values')
    if count * 2 >= total:
        what.append(f'{count} of {total} are named as pictures of other folders')
    return ', '.join(what) if len(what) == 2 or spoken else ''


def _shared(inside: dict[str, list[str]]) -> dict[str, tuple[int, int]]:
    """By folder: pictures whose names stand in others too, and all."""
    keys = {place: {_key(name) for name in names} for place, names in inside.items()}
    places = Counter(key for own in keys.values() for key in own)
    return {p: (sum(places[k] > 1 for k in own), len(own)) for p, own in keys.items()}


def _key(name: str) -> str:
    """What a mask and its picture have in common."""
    return _END.sub('', os.path.basename(image_stem(name)))


def _few_values(root: str, names: Sequence[str]) -> int | None:
    """Most values of a few pictures; ``None`` where one has many, or all have one."""
    step = len(names) // EACH + 1
    counts = [_values(os.path.join(root, name)) for name in names[::step]]
    most = max((count or VALUES + 1 for count in counts), default=0)
    return most if 1 < most <= VALUES else None


def _values(path: str) -> int | None:
    """How many values or colours a picture has; ``None``: more than masks have."""
    try:
        with Image.open(path) as picture:
            if picture.format == 'JPEG' and picture.mode != 'L':
                return None
            if picture.mode.startswith(('I', 'F')):
                found = len(np.unique(np.asarray(picture)))
            else:
                found = len(picture.getcolors(VALUES) or range(VALUES + 1))
    except _NO_PICTURE:
        return None
    return found if found <= VALUES else None
