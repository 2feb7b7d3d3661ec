# Licensed under Apache-2.0.
"""Photos that are turned by their EXIF, and masks that are turned with them or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmwsss.io.data_errors import MaskError, UnreadableImageError
from mmwsss.io.image_files import picture_size
from mmwsss.io.pictures.levels import SIDEWAYS, upright_size
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import picture_kind
from mmwsss.io.wording import of_data_set

#: the side input that is trained on as if it were the true mask
_PSEUDO = 'mask'


def turned_hint(
    info: Mapping[str, Any], size: tuple[int, ...]
) -> tuple[str, str | None]:
    """Why a map may have another size than its photo: it lies the other way.

    Args:
        info: of the image: ``img_path`` and, where its data set has one, ``picture``.
        size: (H, W) of the map.

    Returns:
        What to add to the message, and the fix; empty and ``None`` if it isn't that.
    """
    try:
        kind = picture_kind(info['img_path'])
    except UnreadableImageError:
        return '', None
    rule = info.get('picture') or PictureRule()
    turned = upright_size(kind.size, kind.orientation)
    other = kind.size if rule.turns else turned
    if kind.orientation not in SIDEWAYS or other != size:
        return '', None
    if rule.turns:
        fits, way = 'as stored, without its EXIF orientation', 'ignore'
    else:
        fits, way = 'turned upright by its EXIF orientation', 'turn'
    return (
        f': it fits the photo {fits} {kind.orientation}',
        f'say so by {of_data_set("picture", dict(exif=way))}, if all masks lie this '
        'way, or turn the mask',
    )


def check_decided(info: Mapping[str, Any], path: str) -> None:
    """Whether a data set with turned photos says which way its true masks lie.

    The sizes alone don't tell: not of square photos, nor of those turned by 180
    degrees.

    Args:
        info: of an image whose photo carries ``exif_orientation`` 2..8.
        path: of its mask.

    Raises:
        MaskError: if it doesn't, with what the sizes say.
    """
    rule = info.get('picture') or PictureRule()
    pseudo = _PSEUDO in info.get('side_inputs', {})  # generated upright, as read here
    if rule.exif is not None or pseudo:
        return
    photo, orientation = info['img_path'], info['exif_orientation']
    raise MaskError(
        path,
        f'may be turned against its photo: {photo} carries the EXIF orientation '
        f'{orientation}, and {_seen(path, photo)}',
        f'say which way the masks lie: {of_data_set("picture", dict(exif="turn"))} if '
        'they were drawn on the upright photo, as viewers, most labelling tools and '
        f'our demo show it, {of_data_set("picture", dict(exif="ignore"))} if on the '
        'pixels as stored',
    )


def _seen(path: str, photo: str) -> str:
    """What the sizes of mask and photo say."""
    try:
        mask, kind = picture_size(path), picture_kind(photo)
    except UnreadableImageError:
        return 'the mask cannot be read'
    turned = upright_size(kind.size, kind.orientation)
    if turned == kind.size:
        return 'their sizes cannot tell (they are the same both ways)'
    if mask == turned:
        return 'by its size the mask fits the photo turned upright'
    if mask == kind.size:
        return 'by its size the mask fits the photo as stored'
    return f'its size {mask} fits neither {turned} nor {kind.size}'
