# Licensed under Apache-2.0.
"""Checks of the files of a data set, a few at start or all on demand."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.datasets.transforms.load_picture import LoadPicture
from mmwsss.datasets.transforms.load_side_inputs import LoadSideInputs
from mmwsss.io.data_errors import DataError, PictureError, UnreadableImageError
from mmwsss.io.image_files import FileFinder
from mmwsss.io.pictures.found import described
from mmwsss.io.pictures.levels import share_outside
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.pictures.reader import check_kind, picture_kind, read_stored
from mmwsss.io.wording import setting

from .mask_checks.check_masks import check_masks, some_masks
from .side_inputs.declaration import spread
from .side_inputs.exif_masks import check_decided

#: how many headers of pictures are looked at when a data set is opened
HEADERS = 200
#: share of a picture's values that a range cuts off where it is of other pictures
_OUTSIDE = 0.9


def taken(infos: list[dict], indices: int | Sequence[int] | None) -> list[dict]:
    """Those that a data set's ``indices`` keeps: the first, the last, or some."""
    if indices is None:
        return infos
    if isinstance(indices, int):
        return infos[:indices] if indices >= 0 else infos[indices:]
    return [infos[i] for i in indices]


def verify_start(infos: list[dict], dataset: Any) -> None:
    """What is checked when a data set is opened, bounded however long it is.

    Args:
        infos: dicts of its list.
        dataset: a :class:`.WeakSegDataset`, whose settings say what is looked at.

    Raises:
        DataError: naming the first file that is missing, unreadable or doesn't fit, or
            what masks and labels say against each other.
    """
    if dataset.has_true_masks:
        files = FileFinder('', True)
        for info in infos:
            files.find(info['seg_map_path'], '')
        fix = _mask_fix(len(files.missing) == len(infos))
        files.refuse_missing(DataError, 'masks', len(infos), fix)
    samples = dataset.check_samples
    if not samples:
        return
    verify_kinds(infos, dataset.picture, dataset.has_true_masks, samples)
    if dataset.with_masks:
        pseudo = not dataset.has_true_masks
        masks = some_masks(infos)
        check_masks(masks, dataset.metainfo, dataset.check_masks, pseudo)
    if dataset.side_inputs or dataset.with_masks:
        for info in spread(infos, samples):
            verify_item(info, dataset.ignore_index)


def _mask_fix(all_missing: bool) -> str:
    """What to do about masks that aren't there, all of them or some."""
    where = setting('data_prefix.seg_map_path')
    if all_missing:
        return (
            f'name the folder of the masks by {where}, with one PNG for each picture, '
            'named as it; without any masks nothing can be scored: predict by '
            'demo/image_demo.py'
        )
    return (
        f'draw those that are missing into the folder of the masks ({where}), or take '
        'their pictures out of the list that is scored'
    )


def verify_item(info: dict, ignore_index: int = 255) -> None:
    """Read an image and what the data set gives of mask and side inputs.

    Args:
        info: one dict of the data set's list.
        ignore_index: the id of pixels that do not count.

    Raises:
        DataError: naming the file that is unreadable or does not fit.
    """
    results = LoadPicture().transform({**info, 'seg_fields': []})
    if 'seg_map_path' in info:
        LoadMask(ignore_index).transform(results)
    if info.get('side_inputs'):
        LoadSideInputs().transform(results)


def verify_kinds(
    infos: Sequence[dict], rule: PictureRule, masks: bool, samples: int
) -> None:
    """Whether a data set's rule covers its pictures: by a bounded number of them.

    Pictures that can't be read are passed over: training replaces them, a test names
    them.

    Args:
        infos: dicts of the data set's list.
        rule: how its pictures are read.
        masks: whether it has true masks, which photos may be turned against.
        samples: how many pictures are read whole, spread over the list; of at most
            ``HEADERS`` the header.

    Raises:
        PictureError: naming a picture that isn't 8-bit RGB, with the values found.
        MaskError: naming a mask whose photo is turned, where nothing says which way
            masks lie.
    """
    for info in spread(infos, HEADERS):
        path = info['img_path']
        try:
            kind = picture_kind(path)
            check_kind(path, kind, rule)
        except UnreadableImageError:
            continue
        if masks and kind.orientation != 1:
            turned = {**info, 'exif_orientation': kind.orientation}
            check_decided(turned, info['seg_map_path'])
    outside: list[tuple[float, str]] = []
    for info in spread(infos, samples):
        with suppress(UnreadableImageError):
            LoadPicture().transform(dict(info))
            if rule.value_range is not None:
                values = read_stored(info['img_path'], rule)
                outside.append((share_outside(values, rule.ranges()), info['img_path']))
    if outside and min(outside)[0] > _OUTSIDE:
        _refuse_range(*min(outside), rule)


def _refuse_range(share: float, path: str, rule: PictureRule) -> None:
    values = read_stored(path, rule)
    raise PictureError(
        path,
        f'holds {described(values)}, of which {share:.0%} lie outside of '
        f'picture.value_range={rule.value_range}, as in all that were looked at: they '
        'would be black or white',
        'give the range of the values, or leave value_range out for 8 bits',
    )
