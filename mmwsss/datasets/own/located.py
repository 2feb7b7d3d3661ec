# Licensed under Apache-2.0.
"""The pictures that labels name, found on the disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from mmwsss.datasets.image_names import composed
from mmwsss.datasets.label_channels import LabelChannels
from mmwsss.datasets.picture_finder import PictureFinder
from mmwsss.datasets.readers.label_table import LabelTable
from mmwsss.io.findings import Findings
from mmwsss.io.image_files import IMAGE_SUFFIXES, images_below, share_missing

from .found_parts import Part

_SUFFIXES = (*IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES))


@dataclass(frozen=True)
class Found:
    """A picture of a user's folder.

    Attributes:
        path: of its file.
        own_name: its path below its own image folder, in composed letters (NFC),
            however the disk has them.
        ids: of its classes, 1..C, ascending; empty: no object.
        split: that was given, or ``None``.
    """

    path: str
    own_name: str
    ids: tuple[int, ...]
    split: str | None = None


@dataclass
class Located:
    """What was found of a part.

    Attributes:
        pictures: by the name that each gets.
        left_out: names of the labels that aren't taken, with the part's prefix.
        paths: of all pictures that the labels name, left out or not.
        remarks: a sentence each.
    """

    pictures: dict[str, Found] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    paths: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)


def locate(
    part: Part,
    table: LabelTable,
    channels: LabelChannels,
    leave_out: Collection[str],
    missing: str,
    findings: Findings,
) -> Located:
    """The pictures of a part.

    Args:
        part: labels and image folder.
        table: its labels.
        channels: of the classes.
        leave_out: names that aren't taken, since nothing is known of them.
        missing: ``'refuse'``, or ``'leave-out'``: what becomes of names without a
            picture. Where no picture at all is there they are refused.
        findings: gets what is refused: missing pictures, names that fit two.
    """
    files = PictureFinder(part.images, True, table.aliases)
    located = Located()
    for name, labels in table.labels.items():
        if name in leave_out:
            located.left_out.add(part.prefix + name)
            located.paths.add(files.there(name, _SUFFIXES) or '')
            continue
        ids = tuple(i + 1 for i in channels.find(name, labels, table) or ())
        before = len(files.missing)
        path = files.find(name, _SUFFIXES)
        if len(files.missing) > before:
            located.left_out.add(part.prefix + name)
            continue
        own = below(path, part.images)
        located.paths.add(path)
        located.pictures[part.prefix + own] = Found(path, own, ids, part.split)
    if leave_out:
        located.remarks.append(f'{len(leave_out)} pictures without labels are left out')
    if files.missing and missing == 'leave-out' and located.pictures:
        count = share_missing(len(files.missing), len(table.labels), 'pictures')
        located.remarks.append(f'{count}: left out (first: {files.missing[0]})')
        files.missing.clear()
    with findings.noted():
        files.refuse(len(table.labels))
    return located


def below(path: str, folder: str) -> str:
    """A path below a folder as labels and lists name it: ``/``, composed letters."""
    return composed(os.path.relpath(path, folder).replace(os.sep, '/'))


def unnamed(
    parts: Sequence[Part], paths: Iterable[str], beside: Sequence[str]
) -> list[str]:
    """Say which pictures of the image folders no label file names.

    Args:
        parts: whose folders are looked through; class folders name all they hold.
        paths: of the pictures that are named.
        beside: folders in which what lies is none of them.
    """
    known = {os.path.abspath(path) for path in paths if path}
    outside = tuple(os.path.join(os.path.abspath(folder), '') for folder in beside)
    files: dict[str, list[str]] = {}
    for part in parts:
        if part.labels != part.images:
            files.setdefault(part.images, []).append(os.path.basename(part.labels))
    said = []
    for folder, labels in files.items():
        there = [os.path.abspath(path) for path in images_below(folder)]
        rest = [p for p in there if p not in known and not p.startswith(outside)]
        if rest:
            said.append(
                f'{len(rest)} of {len(there)} pictures in {folder} are not named by '
                f'{" or ".join(labels)}: left out (first: {below(rest[0], folder)})'
            )
    return said
