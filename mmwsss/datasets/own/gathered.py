# Licensed under Apache-2.0.
"""Pictures and labels of all parts under the names that they get, each found."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmwsss.datasets.image_names import composed, refuse_shared_stems
from mmwsss.datasets.label_channels import (
    BACKGROUND,
    LabelChannels,
    check_classes,
    foreground_classes,
    read_classes,
)
from mmwsss.datasets.picture_finder import PictureFinder
from mmwsss.datasets.readers.label_table import LabelTable
from mmwsss.datasets.readers.reading import read_names, read_table
from mmwsss.datasets.readers.vocabulary import Vocabulary
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.image_files import IMAGE_SUFFIXES, image_stem

from .found_parts import Part, given_lists
from .layout import CLASSES

#: what becomes of pictures of which nothing says what they hold
UNLABELLED = ('refuse', 'leave-out', 'empty')
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


@dataclass(frozen=True)
class Gathered:
    """What the parts hold together.

    Attributes:
        pictures: by the name that each gets.
        classes: foreground classes; class c of them has the id c + 1.
        remarks: what was converted, merged and left out.
    """

    pictures: dict[str, Found]
    classes: tuple[str, ...]
    remarks: tuple[str, ...]


def gather(
    parts: Sequence[Part],
    classes: Sequence[str] = (),
    negatives: Iterable[str] | None = None,
    unlabelled: str = 'refuse',
    beside: Sequence[str] = (),
) -> Gathered:
    """Read all labels and find all pictures.

    Args:
        parts: of :func:`.found_parts.find_parts`.
        classes: foreground classes, in the order of their ids; by default those of
            ``classes.txt`` beside the labels, else all labels in alphabetical order.
        negatives: labels that mean "no object", see :class:`.LabelChannels`.
        unlabelled: one of ``UNLABELLED``.
        beside: folders of masks; what lies in them is no picture, nor is its folder a
            class.

    Raises:
        LabelError, UnreadableImageError: naming the file and the fix.
        UserError: if there is no class or no picture at all, or the list of classes
            can't be used.
    """
    check_choice('--unlabelled', unlabelled, UNLABELLED)
    negatives = None if negatives is None else tuple(negatives)
    classes = tuple(classes) or _listed_classes(parts)
    tables = _tables(parts, classes, negatives, beside)
    seen = Counter(item for t in tables for of in t.labels.values() for item in of)
    if not classes:
        classes = foreground_classes(seen, negatives)
    if not classes:
        raise UserError(
            f'{parts[0].labels} names no class'
            + (f', only {sorted(seen)}, which mean "no object"' if seen else '')
            + ': label the pictures that hold an object'
        )
    check_classes(parts[0].labels, (BACKGROUND, *classes))
    channels = LabelChannels((BACKGROUND, *classes), negatives=negatives)
    pictures: dict[str, Found] = {}
    remarks = []
    for part, table in zip(parts, tables):
        found, said = _pictures(part, table, channels, unlabelled)
        pictures |= found
        remarks += [*table.remarks(), *said]
    if not pictures:
        raise UserError(
            f'{parts[0].labels} leaves no picture ({"; ".join(remarks)}): label some, '
            'or say by --unlabelled empty that none holds an object'
        )
    refuse_shared_stems(dict.fromkeys(pictures, ()), parts[0].labels)
    return Gathered(pictures, classes, (*remarks, *_negatives(seen, channels)))


def _tables(
    parts: Sequence[Part],
    classes: Sequence[str],
    negatives: Sequence[str] | None,
    beside: Sequence[str],
) -> list[LabelTable]:
    """The labels of each part."""
    known = known_labels(classes, negatives)
    return [read_table(p.labels, 'auto', known, p.images, beside) for p in parts]


def known_labels(
    classes: Sequence[str], negatives: Sequence[str] | None = None
) -> Vocabulary:
    """What readers are told of labels: foreground classes, and those of no object."""
    known = LabelChannels((BACKGROUND, *classes), negatives=negatives).vocabulary
    # without classes blanks part no names: nobody knows which belong together
    return known if classes else Vocabulary(others=known.others)


def _below(path: str, folder: str) -> str:
    """A path below a folder as labels and lists name it: ``/``, composed letters."""
    return composed(os.path.relpath(path, folder).replace(os.sep, '/'))


def _pictures(
    part: Part, table: LabelTable, channels: LabelChannels, unlabelled: str
) -> tuple[dict[str, Found], list[str]]:
    """The pictures of a part, and what is to be said of them."""
    unknown = table.unknown(unlabelled != 'refuse', False)
    files = PictureFinder(part.images, True, table.aliases)
    found, left_out = {}, 0
    for name, labels in table.labels.items():
        if name in unknown and unlabelled == 'leave-out':
            left_out += 1
            continue
        ids = tuple(i + 1 for i in channels.find(name, labels, table) or ())
        path = files.find(name, _SUFFIXES)
        own = _below(path, part.images)
        found[part.prefix + own] = Found(path, own, ids, part.split)
    files.refuse(len(table.labels))
    said = [f'{left_out} pictures without labels are left out'] if left_out else []
    if unknown and unlabelled == 'empty':
        said.append(f'{len(unknown)} pictures without labels count as without object')
    return found, said


def _negatives(seen: Iterable[str], channels: LabelChannels) -> list[str]:
    """Which labels were taken to mean "no object"."""
    named = set(seen) - {BACKGROUND}
    found = sorted(item for item in named if channels.is_negative(item))
    if not found:
        return []
    return [
        f'{", ".join(map(repr, found))} means "no object"; if it is a class, name all '
        'classes by --classes'
    ]


def _listed_classes(parts: Sequence[Part]) -> tuple[str, ...]:
    """Those of ``classes.txt`` beside the labels, or above a split's folder."""
    here = Path(parts[0].labels)
    here = here if here.is_dir() else here.parent
    for folder in (here, here.parent) if parts[0].split else (here,):
        if (folder / CLASSES).is_file():
            return read_classes(folder / CLASSES)
    return ()


def given_splits(
    parts: Sequence[Part], pictures: dict[str, Found]
) -> dict[str, list[str]] | None:
    """The splits that a user's folder comes with, ``train`` first; ``None``: none.

    They are those of its parts, or of lists ``train.txt``, ``val.txt``, ``test.txt``
    beside the labels or in a folder ``splits`` there. A list that is the label file
    itself says no split.

    Raises:
        LabelError: if a list names a picture without labels, or in two lists.
        UserError: if two lists are of one split.
    """
    if parts[0].split is not None:
        splits: dict[str, list[str]] = {'train': []}
        for name, found in pictures.items():
            splits.setdefault(str(found.split), []).append(name)
        return splits
    labels = Path(parts[0].labels)
    lists = given_lists(str(labels if labels.is_dir() else labels.parent))
    if not lists or labels in map(Path, lists.values()):
        return None
    by_stem = {image_stem(name): name for name in pictures}
    splits, counts = {'train': []}, Counter[str]()
    for split, path in lists.items():
        listed = read_names(path, by_stem, parts[0].images)
        names = list(dict.fromkeys(map(image_stem, listed)))
        absent = [name for name in names if name not in by_stem]
        counts.update(names)
        twice = [name for name in names if counts[name] > 1]
        if absent or twice:
            what = 'is in two lists' if twice else 'has no labels'
            raise LabelError(
                path,
                f'names {(twice or absent)[0]!r}, which {what}',
                'correct it, or draw new splits by --resplit',
            )
        splits[split] = sorted(by_stem[name] for name in names)
    return splits
