# Licensed under Apache-2.0.
"""Pictures of a user's folder that can be opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PIL import Image

from mmwsss.io.data_errors import MaskError, UnreadableImageError
from mmwsss.io.image_files import picture_size
from mmwsss.io.pictures.broken import first_bytes, what_it_is
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import picture_kind

from .gathered import Gathered


def without_unreadable(data: Gathered) -> Gathered:
    """Pictures without those whose header can't be read, which a remark names.

    Args:
        data: of :func:`.gathered.gather`.

    Raises:
        UnreadableImageError: if there is no other.
    """
    errors: dict[str, UnreadableImageError] = {}
    for name, found in data.pictures.items():
        try:
            picture_kind(found.path)
        except UnreadableImageError as err:
            errors[name] = err
    if not errors:
        return data
    first = next(iter(errors.values()))
    if len(errors) == len(data.pictures):
        raise first
    kept = {name: p for name, p in data.pictures.items() if name not in errors}
    said = f'{len(errors)} pictures that can not be read are left out: first {first}'
    return replace(data, pictures=kept, remarks=(*data.remarks, said))


def check_mask_sizes(
    data: Gathered, masks: Mapping[str, str], rule: PictureRule
) -> None:
    """Refuse masks of another size than their pictures, by the headers of all.

    Args:
        data: the pictures.
        masks: path of the mask of each picture that has one.
        rule: how the pictures are read.

    Raises:
        MaskError: naming the first, and how many there are; and one that is no picture.
    """
    wrong = []
    for name, path in masks.items():
        height, width = picture_size(data.pictures[name].path, rule)
        size = _size(path)
        if size != (width, height):
            wrong.append((path, size, name, (width, height)))
    if wrong:
        path, found, name, wanted = wrong[0]
        raise MaskError(
            path,
            f'is {found[0]} x {found[1]}, its picture {name} {wanted[0]} x {wanted[1]} '
            f'(width x height), as {len(wrong)} of {len(masks)} masks are of another '
            'size',
            'make each from its very picture, at its full size; masks that were drawn '
            'on photos as stored want --picture exif=ignore',
        )


def _size(path: str) -> tuple[int, int]:
    """(W, H) of a mask, from its header."""
    try:
        with Image.open(path) as mask:
            return mask.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        cause, fix = what_it_is(first_bytes(path), err, 'write it again')
        raise MaskError(path, f'cannot be read ({cause})', fix) from err
