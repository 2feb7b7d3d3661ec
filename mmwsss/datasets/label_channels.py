# Licensed under Apache-2.0.
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.findings import Findings
from mmwsss.io.wording import of_data_set, setting

from .image_names import label_name
from .label_doubts import refuse_doubtful
from .readers.decoding import read_decoded
from .readers.label_table import LabelTable
from .readers.vocabulary import Vocabulary, name_key

BACKGROUND = 'background'
#: folders and labels that mean "no object", unless a class has the name
NEGATIVES = (*(BACKGROUND, 'normal', 'good', 'negative', 'negatives', 'no_object'),)
#: the background and the ids 1 to 254
MAX_CLASSES = 255
#: lines of labelling tools' lists that are no classes: __ignore__, _background_, ...
_NO_CLASSES = ('ignore', BACKGROUND)


def check_classes(owner: str, classes: Sequence[str] | None) -> Sequence[str]:
    """Refuse a list of classes that doesn't begin with the background.

    Args:
        owner: name of the data set, for the error.
        classes: its classes.

    Returns:
        The classes.

    Raises:
        UserError: naming what was given; and for more than masks have ids.
    """
    if not classes:
        raise UserError(
            f'{owner} has no classes; give metainfo=dict(classes='
            f'({BACKGROUND!r}, ...)) in the config'
        )
    if classes[0] != BACKGROUND or len(set(classes)) != len(classes):
        raise UserError(
            f'the classes of {owner} must begin with {BACKGROUND!r} and '
            f'be all different, but are {tuple(classes)}'
        )
    if len(classes) > MAX_CLASSES:
        raise UserError(
            f'{owner} has {len(classes) - 1} classes beside the background, and masks '
            f'of 8 bits have room for {MAX_CLASSES - 1} (255 is "ignored"): put some '
            'together, or leave out rare ones'
        )
    unmeant = [name for name in classes[1:] if name_key(name) in _NO_CLASSES]
    if unmeant:
        raise UserError(
            f'the classes of {owner} name {", ".join(map(repr, unmeant))}, as lists of '
            'labelling tools do, which is nothing to be learnt: take it out of '
            f'classes.txt or {setting("metainfo.classes")}. {BACKGROUND!r} is the '
            'first class already, with the id 0 in masks, and what is to be ignored '
            'has the id 255 '
            '(LabelMe: _background_ 0, __ignore__ 255, then the classes from 1 on)'
        )
    return classes


def read_classes(path: str | Path) -> tuple[str, ...]:
    """The foreground classes of a ``classes.txt``, one a line; ``background`` is none.

    Raises:
        LabelError: if it is no text.
    """
    names = map(str.strip, read_decoded(str(path))[0].splitlines())
    return tuple(name for name in names if name not in ('', BACKGROUND))


def foreground_classes(
    labels: Mapping[str, int],
    negatives: Iterable[str] | None = None,
    findings: Findings | None = None,
) -> tuple[str, ...]:
    """Labels that name a class, in alphabetical order, numbers by their size.

    Args:
        labels: all that a label file holds, each with its number of pictures.
        negatives: those that mean "no object", see :class:`LabelChannels`.
        findings: gets what is refused, which is raised otherwise.

    Raises:
        UserError: if some are in doubt, see :func:`.label_doubts.refuse_doubtful`.
    """
    nothing = LabelChannels((BACKGROUND,), negatives=negatives)
    found = sorted({item for item in labels if not nothing.is_negative(item)})
    if all(name.isdecimal() for name in found):
        found.sort(key=int)
    noted = findings or Findings()
    refuse_doubtful(found, labels, noted, negatives is not None)
    if findings is None:
        noted.refuse()
    return tuple(found)


class LabelChannels:
    """The foreground channels that class names stand for.

    Args:
        classes: of the data set, background first.
        known: classes that the data set has and the user didn't choose, background
            first.
        negatives: labels that mean "no object"; ``None``: :data:`NEGATIVES`.

    Raises:
        UserError: if a negative is a class.
    """

    def __init__(
        self,
        classes: Sequence[str],
        known: Sequence[str] = (),
        negatives: Iterable[str] | None = None,
    ) -> None:
        self.classes = tuple(map(label_name, classes[1:]))
        table: dict[str, int | None] = dict.fromkeys(map(label_name, known[1:]))
        table |= {name: i for i, name in enumerate(self.classes)}
        # in text files a blank is written as an underscore
        self.table = table | {n.replace(' ', '_'): i for n, i in table.items()}
        taken = {name_key(name) for name in self.table}
        both = [name for name in negatives or () if name_key(name) in taken]
        if both:
            raise UserError(
                f'{setting("negatives", tuple(negatives or ()))} names {both[0]!r}, '
                'which is a class of the data set: take it out of one of them'
            )
        given = NEGATIVES if negatives is None else (BACKGROUND, *negatives)
        self.negatives = {name_key(name) for name in given} - taken
        self._found: dict[tuple[str, ...], tuple[int, ...] | None] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """All labels that are known."""
        return Vocabulary(self.classes, frozenset(self.table) | self.negatives)

    def is_negative(self, label: str) -> bool:
        """Whether a label means "no object"."""
        return name_key(label) in self.negatives

    def find(self, name: str, labels: Sequence[str], table: LabelTable) -> tuple | None:
        """Sorted foreground channels of one image; () for a negative.

        Args:
            name: of the image.
            labels: class names.
            table: where they come from, for the error.

        Returns:
            ``None`` if all of its classes were left out by the user.

        Raises:
            LabelError: for an unknown class, and one beside a negative.
        """
        labels = tuple(labels)
        if labels not in self._found:
            self._found[labels] = self._channels(name, labels, table)
        return self._found[labels]

    def _channels(
        self, name: str, labels: tuple[str, ...], table: LabelTable
    ) -> tuple[int, ...] | None:
        classes = [item for item in labels if item in self.table]
        others = [item for item in labels if item not in self.table]
        unknown = [item for item in others if name_key(item) not in self.negatives]
        if unknown:
            problem, fix = self._unknown(name, unknown[0], table)
            raise LabelError(table.path or 'the label file', problem, fix)
        # every picture has background: beside a class that says nothing new
        against = [item for item in others if name_key(item) != BACKGROUND]
        if classes and against:
            raise LabelError(
                table.path,
                f'gives the image {name!r} the class {classes[0]!r} and '
                f'{against[0]!r}, which means that it holds no object',
                'correct it; what means "no object" is said by '
                + of_data_set('negatives', ('NAME',)),
            )
        found = [self.table[item] for item in classes]
        chosen = tuple(sorted({channel for channel in found if channel is not None}))
        return None if found and not chosen else chosen

    def _unknown(self, name: str, label: str, table: LabelTable) -> tuple[str, str]:
        """Problem and fix of a label that nobody knows."""
        close = difflib.get_close_matches(label, self.classes, 1)
        close = [c for c in self.classes if name_key(c) == name_key(label)] or close
        meant = f' (did you mean {close[0]!r}?)' if close else ''
        return (
            f'gives the image {name!r} the unknown class {label!r}{meant}'
            f'{what_was_seen(label, table)}',
            f'correct it to one of {list(self.classes)}; if it means that a picture '
            f'holds no object, name it by {of_data_set("negatives", (label,))}; if '
            f'it is an object to be found, add it to {setting("metainfo.classes")}',
        )


def what_was_seen(label: str, table: LabelTable) -> str:
    """What the labels of a file look like, where that says why one is unknown."""
    labels = {item for items in table.labels.values() for item in items}
    if labels <= {'0', '1', '-1'}:
        return '; its labels are only 0 and 1: numbers of classes, or one-hot?'
    if all(item.lstrip('-').isdigit() for item in labels):
        return '; its labels are only numbers: write the names of the classes'
    if any(mark in label for mark in ';,|\t'):
        return '; is its separator another one?'
    said = [note for note in table.notes if 'encoding' in note]
    return f'; it {said[0]}' if said and not label.isascii() else ''
