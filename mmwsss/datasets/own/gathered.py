# Licensed under Apache-2.0.
"""Pictures and labels of all parts under the names that they get, each found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmwsss.datasets.image_names import refuse_shared_stems
from mmwsss.datasets.label_channels import (
    BACKGROUND,
    LabelChannels,
    check_classes,
    foreground_classes,
    read_classes,
)
from mmwsss.datasets.readers.columns import Columns
from mmwsss.datasets.readers.label_table import LabelTable, renamed
from mmwsss.datasets.readers.reading import read_table
from mmwsss.datasets.readers.vocabulary import Vocabulary
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.findings import Findings

from .found_parts import Part
from .layout import CLASSES
from .located import Found, Located, locate, unnamed

#: what becomes of pictures of which nothing says what they hold
UNLABELLED = ('refuse', 'leave-out', 'empty')
#: and of those that labels name and that aren't there
MISSING = ('refuse', 'leave-out')
#: names of classes that a remark has at most
TOLD = 10


@dataclass(frozen=True)
class Gathered:
    """What the parts hold together.

    Attributes:
        pictures: by the name that each gets.
        classes: foreground classes; class c of them has the id c + 1.
        remarks: what was converted, merged and left out.
        left_out: names that the labels have and that aren't taken.
    """

    pictures: dict[str, Found]
    classes: tuple[str, ...]
    remarks: tuple[str, ...]
    left_out: frozenset[str] = frozenset()


def gather(
    parts: Sequence[Part],
    classes: Sequence[str] = (),
    negatives: Iterable[str] | None = None,
    unlabelled: str = 'refuse',
    beside: Sequence[str] = (),
    missing: str = 'refuse',
    rename: Mapping[str, str] | None = None,
    columns: Columns | None = None,
) -> Gathered:
    """Read all labels and find all pictures.

    Args:
        parts: of :func:`.found_parts.find_parts`.
        classes: foreground classes, in the order of their ids; by default those of
            ``classes.txt`` beside the labels, else all labels in alphabetical order.
        negatives: labels that mean "no object", see :class:`.LabelChannels`.
        unlabelled: one of ``UNLABELLED``.
        beside: folders of masks and outputs; what lies in them is no picture, nor is
            its folder a class.
        missing: one of ``MISSING``.
        rename: what labels are called instead, by what the files call them.
        columns: of the label files, where their names don't tell.

    Raises:
        LabelError, UnreadableImageError: naming the file and the fix.
        SeveralErrors: of these, where they don't hinder each other's finding.
        UserError: if there is no class or no picture at all, or the list of classes
            can't be used.
    """
    check_choice('--unlabelled', unlabelled, UNLABELLED)
    check_choice('--missing', missing, MISSING)
    findings = Findings()
    negatives = None if negatives is None else tuple(negatives)
    classes = tuple(classes) or _listed_classes(parts)
    known = known_labels(classes, negatives)
    tables = [
        read_table(p.labels, 'auto', known, p.images, beside, findings, columns)
        for p in parts
    ]
    tables = [renamed(table, rename or {}) for table in tables]
    seen = Counter(item for t in tables for of in t.labels.values() for item in of)
    if not classes:
        classes = foreground_classes(seen, negatives, findings)
    if not classes:
        findings.refuse()
        raise UserError(
            f'{parts[0].labels} names no class'
            + (f', only {sorted(seen)}, which mean "no object"' if seen else '')
            + ': label the pictures that hold an object'
        )
    check_classes(parts[0].labels, (BACKGROUND, *classes))
    channels = LabelChannels((BACKGROUND, *classes), negatives=negatives)
    found = Located()
    for part, table in zip(parts, tables, strict=True):
        unknown, said = _unknown(table, unlabelled, findings)
        located = locate(part, table, channels, unknown, missing, findings)
        found.pictures |= located.pictures
        found.left_out |= located.left_out
        found.paths |= located.paths
        found.remarks += [*table.remarks(), *said, *located.remarks]
    findings.refuse()
    if not found.pictures:
        raise UserError(
            f'{parts[0].labels} leaves no picture ({"; ".join(found.remarks)}): label '
            'some, or say by --unlabelled empty that none holds an object'
        )
    refuse_shared_stems(dict.fromkeys(found.pictures, ()), parts[0].labels)
    remarks = (
        *found.remarks,
        *unnamed(parts, found.paths, beside),
        *_without_pictures(tables, classes),
        *_negatives(seen, channels),
    )
    return Gathered(found.pictures, classes, remarks, frozenset(found.left_out))


def _unknown(
    table: LabelTable, unlabelled: str, findings: Findings
) -> tuple[Collection[str], list[str]]:
    """Pictures that are left out since nothing says what they hold, and a remark."""
    unknown: Collection[str] = ()
    with findings.noted():
        unknown = table.unknown(unlabelled != 'refuse', False)
    if unknown and unlabelled == 'empty':
        said = f'{len(unknown)} pictures without labels count as without object'
        return (), [said]
    return unknown, []


def _without_pictures(
    tables: Sequence[LabelTable], classes: Sequence[str]
) -> list[str]:
    """Which classes files name of which no picture has the label."""
    declared = dict.fromkeys(name for table in tables for name in table.declared)
    nothing = LabelChannels((BACKGROUND,))
    absent = [
        name
        for name in declared
        if name not in classes and not nothing.is_negative(name)
    ]
    if not absent:
        return []
    more = f' and {len(absent) - TOLD} more' if len(absent) > TOLD else ''
    return [f'no picture of {", ".join(map(repr, absent[:TOLD]))}{more}: no class']


def known_labels(
    classes: Sequence[str], negatives: Sequence[str] | None = None
) -> Vocabulary:
    """What readers are told of labels: foreground classes, and those of no object."""
    known = LabelChannels((BACKGROUND, *classes), negatives=negatives).vocabulary
    # without classes blanks part no names: nobody knows which belong together
    return known if classes else Vocabulary(others=known.others)


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
