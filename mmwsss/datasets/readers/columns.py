# Licensed under Apache-2.0.
"""Which columns of a table, or keys of JSON objects, hold pictures and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError, check_choice
from mmwsss.io.image_files import IMAGE_SUFFIXES
from mmwsss.io.wording import of_data_set

from .label_source import LabelSource

#: rows of which the values are looked at
SAMPLE = 50
_VIA = {'region_shape_attributes', '_via_img_metadata', '_via_settings'}


@dataclass(frozen=True)
class Columns:
    """Names that a user gives; empty: told by the words of :mod:`.field_words`.

    Attributes:
        image: of the pictures.
        labels: of the labels.
    """

    image: str = ''
    labels: tuple[str, ...] = ()

    def check(self, path: str, there: Sequence[str]) -> None:
        """Refuse names that a file hasn't.

        Raises:
            LabelError: naming the first, and those that are there.
        """
        for name in (self.image, *self.labels):
            if name and name not in there:
                raise LabelError(
                    path,
                    f'has no column {name!r}, but {list(there)}',
                    f'write {of_data_set("columns")} as the file has them',
                )

    @classmethod
    def of(cls, entries: Mapping[str, Any] | None) -> Columns | None:
        """From a config: ``dict(image=NAME, label=NAME or names)``.

        Raises:
            UserError: for another entry.
        """
        if entries is None:
            return None
        for name in entries:
            check_choice('an entry of columns=dict(...)', name, ('image', 'label'))
        labels = entries.get('label') or ()
        names = (labels,) if isinstance(labels, str) else tuple(labels)
        return cls(entries.get('image') or '', names)


def named_columns(texts: Iterable[str]) -> Columns:
    """``image=NAME label=NAME ...`` as a command line has them.

    Raises:
        UserError: for another word, and two columns of pictures.
    """
    pairs = [text.partition('=')[::2] for text in texts]
    images = [name for word, name in pairs if word == 'image']
    labels = tuple(name for word, name in pairs if word == 'label')
    if len(images) > 1 or len(images) + len(labels) < len(pairs):
        raise UserError(
            f'--columns takes image=NAME once and label=NAME, got {list(texts)}'
        )
    return Columns(''.join(images), labels)


def refuse_via(path: str, names: Iterable[str]) -> None:
    """Refuse files of VIA, whose labels go by names that its user gave.

    Args:
        path: of the file.
        names: of columns or keys.

    Raises:
        LabelError: if they are those of VIA.
    """
    if _VIA & set(names):
        raise LabelError(
            path,
            'is a file of VIA (VGG Image Annotator)',
            'export the annotations as COCO (Annotation, Export Annotations (COCO '
            'format)), or write a CSV of image,class',
        )


def name_pictures(source: LabelSource, values: Iterable[str]) -> bool:
    """Whether most of the first few values name pictures, by suffix or on the disk."""
    some = [value for value in values if value][:SAMPLE]
    hits = sum(
        value.lower().endswith(tuple(IMAGE_SUFFIXES)) or source.has_picture(value)
        for value in some
    )
    return bool(some) and hits * 2 > len(some)


def best_name(
    source: LabelSource, values: Mapping[str, Sequence[str]], ranked: Sequence[str]
) -> str:
    """Of several columns that may hold the pictures, the one whose values do.

    Args:
        source: the file, whose notes say what was taken where it isn't the first.
        values: the first few of each column.
        ranked: their names, the likeliest first.
    """
    for name in ranked:
        if name_pictures(source, values[name]):
            if name != ranked[0]:
                source.notes.append(
                    f'{name!r} names the pictures, {ranked[0]!r} does not'
                )
            return name
    return ranked[0]


def or_columns() -> str:
    """The setting that names columns, as the end of a fix."""
    named = of_data_set('columns', dict(image='KEY', label='KEY'))
    return f', or say what the keys are called by {named}'


def refuse_other_head(source: LabelSource, rows: Sequence[Sequence[str]]) -> None:
    """Refuse a first row that names the columns in unknown words.

    It is told by a column whose cells name pictures, but for the first.

    Raises:
        LabelError: naming the row.
    """
    head, body = rows[0], rows[1 : SAMPLE + 1]
    _refuse_pictures_behind(source, rows[:SAMPLE])
    for i, cell in enumerate(head):
        below = [row[i] for row in body if i < len(row)]
        if name_pictures(source, below) and not name_pictures(source, [cell]):
            named = of_data_set('columns', dict(image=cell, label='NAME'))
            raise LabelError(
                source.path,
                f'has a first row that names the columns in words that are not known, '
                f'{list(head)}: {cell!r} is no picture, what stands below it is',
                f'say which columns hold pictures and labels by {named}',
            )
        if name_pictures(source, [cell]):
            return


def _refuse_pictures_behind(source: LabelSource, rows: Sequence[Sequence[str]]) -> None:
    """Refuse a table without head whose pictures stand behind something else.

    Raises:
        LabelError: naming the column.
    """
    for i in range(min(map(len, rows))):
        if name_pictures(source, [row[i] for row in rows]):
            if i:
                named = of_data_set('columns', dict(image='NAME', label='NAME'))
                raise LabelError(
                    source.path,
                    f'has no head row, and pictures in its column {i + 1}, not in the '
                    f'first: {",".join(rows[0])[:60]!r}',
                    f'put a row of names above it, and give two of them by {named}',
                )
            return
