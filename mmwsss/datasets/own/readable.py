# Licensed under Apache-2.0.
"""Pictures of a user's folder that can be opened, and masks that fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.io.data_errors import MaskError, PictureError, UnreadableImageError
from mmwsss.io.pictures.broken import ends_whole
from mmwsss.io.pictures.reader import picture_kind, read_stored

from .gathered import Gathered


def without_unreadable(data: Gathered) -> Gathered:
    """Pictures without those that can't be read, which a remark names.

    Of each the header is read, and the last bytes: of one that doesn't end as whole
    files do, all.

    Args:
        data: of :func:`.gathered.gather`.

    Raises:
        UnreadableImageError: if there is no other.
    """
    errors: dict[str, UnreadableImageError] = {}
    for name, found in data.pictures.items():
        try:
            picture_kind(found.path)
            if not ends_whole(found.path):
                _read(found.path)
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


def _read(path: str) -> None:
    """Read a picture whole; of what kind it is matters later.

    Raises:
        UnreadableImageError: if it is cut off.
    """
    with suppress(PictureError):
        read_stored(path)


def check_mask_sizes(infos: Sequence[Mapping[str, Any]]) -> None:
    """Refuse masks that don't fit their pictures, by the headers of all.

    Args:
        infos: of the pictures that have a mask: ``seg_map_path``, ``img_path`` and
            ``picture``, the rule that they are read by.

    Raises:
        MaskError: naming the first of another size, or that is no picture, and how many
            there are.
    """
    kind, wrong = IdsKind(classes=True), []
    for info in infos:
        try:
            kind.check(info['seg_map_path'], info)
        except MaskError as err:
            wrong.append(err)
    if wrong:
        count = f'{len(wrong)} of {len(infos)} masks do not fit'
        raise MaskError(wrong[0].path, f'{wrong[0].problem}; {count}', wrong[0].fix)
