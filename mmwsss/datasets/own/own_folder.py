# Licensed under Apache-2.0.
"""The folder that a user's pictures become, planned whole, then written."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmwsss.datasets.folder import FolderWeakDataset
from mmwsss.datasets.label_channels import BACKGROUND
from mmwsss.datasets.mask_checks.check_masks import check_masks, some_masks
from mmwsss.datasets.verify import verify_kinds
from mmwsss.io.atomic_file import is_whole, write_json
from mmwsss.io.image_files import image_stem, picture_size
from mmwsss.io.label_png import save_label_png
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.palette import class_palette
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.io.place_file import place_file

from .gathered import Gathered
from .layout import (
    CLASSES,
    IMAGES,
    LABELS,
    MASKS,
    PICTURE,
    SETTINGS,
    begin,
    list_file,
    refuse_other_settings,
    write_labels,
    write_lines,
)
from .mask_ids import are_binary, object_ids, perhaps_inverted, read_ids
from .readable import check_mask_sizes

#: pictures that are read whole before anything is written
SAMPLES = 4


@dataclass(frozen=True)
class OwnFolder:
    """What is to be written.

    Attributes:
        data: pictures, classes and remarks.
        splits: split → names.
        masks: path of the mask of each picture that has one.
        picture: entries of ``picture=dict(...)``.
        settings: of the run, as plain data; another run with others is refused.
        copy: copy pictures and masks instead of linking them.
        copy_masks: copy masks at any rate.
    """

    data: Gathered
    splits: Mapping[str, Sequence[str]]
    masks: Mapping[str, str] = field(default_factory=dict)
    picture: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    copy: bool = False
    copy_masks: bool = False

    @property
    def blank(self) -> list[str]:
        """Pictures without an object whose mask is therefore known."""
        if not self.masks:
            return []
        pictures = self.data.pictures
        return [n for n, p in pictures.items() if not p.ids and n not in self.masks]

    def outputs(self) -> list[tuple[str, str]]:
        """(file, what it is made of) of all that is written."""
        pictures = self.data.pictures
        found = [(f'{IMAGES}/{name}', p.path) for name, p in pictures.items()]
        found += [(_mask_name(name), path) for name, path in self.masks.items()]
        found += [(_mask_name(name), pictures[name].path) for name in self.blank]
        found += [(list_file(split), split) for split in self.splits]
        files = (LABELS, CLASSES, SETTINGS, *([PICTURE] if self.picture else []))
        return found + [(name, name) for name in files]


def write_folder(folder: OwnFolder, out: Path, inputs: Sequence[str]) -> None:
    """Write it; what is there already of an earlier run of the same settings is kept.

    The labels come last: a folder without them isn't finished.

    Args:
        folder: what to write.
        out: where to.
        inputs: files and folders that it is made of.

    Raises:
        OutputError: if something foreign would be written over.
        UserError: if the folder was made with other settings.
        MaskError: if a mask hasn't the size of its picture, isn't what its label says,
            or may be turned against it.
        PictureError: if the rule doesn't cover the pictures. All of these come before
            anything is written.
    """
    binary = _check_files(folder)
    refuse_other_settings(out, folder.settings)
    claim_outputs(out, folder.outputs(), inputs)
    begin(out, folder.settings)
    for name, found in folder.data.pictures.items():
        place_file(found.path, out / IMAGES / name, folder.copy)
    _write_masks(folder, out, binary)
    for split, names in folder.splits.items():
        write_lines(out / list_file(split), names)
    if folder.picture:
        write_json(dict(folder.picture), out / PICTURE)
    write_lines(out / CLASSES, folder.data.classes)
    labels = {name: found.ids for name, found in folder.data.pictures.items()}
    write_labels(out / LABELS, labels, folder.data.classes)


def open_split(
    out: str | os.PathLike,
    split: str,
    picture: Mapping[str, Any] | None = None,
    with_masks: bool = False,
) -> FolderWeakDataset:
    """A split of a folder that was written, which checks it.

    Args:
        out: the folder.
        split: its name.
        picture: entries of ``picture=dict(...)``.
        with_masks: find the masks too, and read a few.

    Raises:
        DataError: naming what is missing or doesn't fit.
    """
    return FolderWeakDataset(
        LABELS,
        str(out),
        split_file=list_file(split),
        picture=dict(picture or {}) or None,
        test_mode=with_masks,
        allow_unlabelled=False,
        pipeline=[],
    )


def _mask_name(name: str) -> str:
    return f'{MASKS}/{image_stem(name)}.png'


def _mask_infos(folder: OwnFolder) -> list[dict[str, Any]]:
    """What is told of each mask's picture, see :func:`.look_at`."""
    rule = PictureRule.of(folder.picture)
    return [
        dict(
            seg_map_path=path,
            img_path=folder.data.pictures[name].path,
            picture=rule,
            gt_labels=tuple(i - 1 for i in folder.data.pictures[name].ids),
        )
        for name, path in folder.masks.items()
    ]


def _check_files(folder: OwnFolder) -> bool:
    """Look at pictures and masks as the data set will that is opened afterwards.

    Returns:
        Whether the masks hold 0 and 255 alone.
    """
    rule, masked = PictureRule.of(folder.picture), _mask_infos(folder)
    check_mask_sizes(masked)
    verify_kinds(masked, rule, True, SAMPLES)
    pictures = folder.data.pictures.values()
    every = [dict(img_path=found.path, picture=rule) for found in pictures]
    verify_kinds(every, rule, False, SAMPLES)
    looked_at = some_masks(masked)
    binary = are_binary(looked_at)
    inverted = perhaps_inverted(looked_at) if binary else None
    if inverted:
        print_log(inverted, level=logging.WARNING)
    if masked and not binary:
        check_masks(looked_at, dict(classes=(BACKGROUND, *folder.data.classes)))
    return binary


def _write_masks(folder: OwnFolder, out: Path, binary: bool) -> None:
    """Masks of class ids as they are, those of 0 and 255 by their picture's class."""
    if not folder.masks:
        return
    pictures, classes = folder.data.pictures, folder.data.classes
    palette = class_palette(len(classes) + 1)
    for name, path in folder.masks.items():
        target = out / _mask_name(name)
        if binary:
            save_label_png(object_ids(path, pictures[name].ids), target, palette)
        elif path.lower().endswith('.png'):
            place_file(path, target, folder.copy or folder.copy_masks)
        else:
            save_label_png(read_ids(path), target, palette)
    rule = PictureRule.of(folder.picture)
    for name in folder.blank:
        target = out / _mask_name(name)
        if not is_whole(target):
            size = picture_size(pictures[name].path, rule)
            save_label_png(np.zeros(size, np.uint8), target, palette)
