# Licensed under Apache-2.0.
"""Folders that are taken for classes, and aren't."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mmwsss.datasets.image_names import refuse_photo_in_two_folders
from mmwsss.io.data_errors import LabelError
from mmwsss.io.wording import setting

from .label_source import LabelSource
from .mask_folders import MASK_WORDS, mask_folders, masks_among
from .vocabulary import Vocabulary, name_key

#: folders that part files by their kind, or pictures by their split; no classes
KINDS = MASK_WORDS | frozenset(
    (
        *('images', 'image', 'imgs', 'img', 'photos', 'pictures', 'jpegimages'),
        *('train', 'training', 'val', 'valid', 'validation', 'test', 'testing'),
    )
)


def check_class_folders(
    source: LabelSource, found: Mapping[str, Sequence[str]], known: Vocabulary
) -> None:
    """Refuse folders that are no classes, and photos in two of them.

    Args:
        source: the folder that holds them.
        found: labels of each picture, by its path below.
        known: labels that the data set knows; a folder of such a name is a class.

    Raises:
        LabelError: if there is no class at all; of what else is wrong the findings of
            the source get an error each.
    """
    path = source.path
    _refuse_kinds(path, found, known)
    _refuse_one_beside_labels(source, found, known)
    with source.findings.noted():
        _refuse_masks(path, found, known)
    with source.findings.noted():
        refuse_photo_in_two_folders(path, found, _no_objects(found, known))


def _no_objects(
    found: Mapping[str, Sequence[str]], known: Vocabulary
) -> frozenset[str]:
    """Those of the labels that are known to mean "no object"."""
    labels = {label for given in found.values() for label in given}
    others = {label for label in labels if name_key(label) in known.others}
    return frozenset(others.difference(known.classes))


def _refuse_kinds(path: str, found: Mapping[str, object], known: Vocabulary) -> None:
    """Refuse ``images/`` and ``masks/``, which aren't what their pictures show.

    Raises:
        LabelError: if no folder with pictures may be a class.
    """
    names = {name.partition('/')[0] for name in found}
    if any(name in known or name.lower() not in KINDS for name in names):
        return
    raise LabelError(
        path,
        f'holds pictures in {sorted(names)}, which say of what kind the files are, not '
        'what the pictures show',
        'give a label file, or make one folder a class; the labels of YOLO exports are '
        'read after an export as COCO or Pascal VOC',
    )


def _refuse_masks(
    path: str, found: Mapping[str, Sequence[str]], known: Vocabulary
) -> None:
    """Refuse folders of masks beside those of classes.

    Raises:
        LabelError: naming all of them.
    """
    among = masks_among(path, found, known)
    if among:
        raise LabelError(
            path,
            f'holds {len(among)} masks beside their pictures, first {among[0]}, which '
            'would be taken for pictures of their folder',
            'move them into a folder of their own, and give it as '
            f'{setting("data_prefix.seg_map_path")}, only to measure',
        )
    masks = mask_folders(path, found, known)
    if masks:
        first = os.path.join(path, next(iter(masks)))
        seen = '; '.join(f'{name}/ {why}' for name, why in masks.items())
        raise LabelError(
            path,
            f'holds what looks like masks beside the classes: {seen}',
            f'give it as {setting("data_prefix.seg_map_path", first)}, only to '
            f'measure, or take it out; if it is a class, name all of them in '
            f'{setting("metainfo.classes")}',
        )


def _refuse_one_beside_labels(
    source: LabelSource, found: Mapping[str, object], known: Vocabulary
) -> None:
    """Refuse a folder as the only class where a file may hold the labels.

    Raises:
        LabelError: naming the file.
    """
    names = {name.partition('/')[0] for name in found}
    name = min(names)
    if len(names) > 1 or name in known or not source.label_like:
        return
    file = source.label_like[0]
    images = os.path.join(source.path, name)
    raise LabelError(
        source.path,
        f'holds pictures in {name}/ alone, and {file}: is {name!r} the class of all of '
        'them, or are their labels in the file?',
        f'give {setting("ann_file", file)} {setting("data_prefix.img_path", images)}; '
        f'if it is the class, name it in {setting("metainfo.classes", (name,))}',
    )
