# Licensed under Apache-2.0.
from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .cells import split_cell
from .columns import SAMPLE, Columns, best_name, or_columns, refuse_via
from .field_words import is_label_word, is_name_word, name_order
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


def columns_of(source: LabelSource, items: Sequence[Any]) -> Columns:
    """Which key of objects names the pictures, and which keys the labels.

    Args:
        source: the file.
        items: the first few.

    Raises:
        LabelError: if the user names a key that isn't there.
    """
    given = source.columns or Columns()
    objects = [item for item in items[:SAMPLE] if isinstance(item, dict)]
    keys = list(dict.fromkeys(key for item in objects for key in item))
    if objects:
        given.check(source.path, keys)
    words = sorted(filter(is_name_word, keys), key=name_order)
    if given.image or not words:
        return given
    values = {
        word: [v for item in objects if isinstance(v := item.get(word), str)]
        for word in words
    }
    return replace(given, image=best_name(source, values, words))


def entry_of(item: Any, known: Vocabulary, columns: Columns) -> Entry:
    """Name and classes of ``{"name": ..., "classes": [...]}`` or ``[name, [...]]``.

    The keys are those that are given, or of :mod:`.field_words`.

    Raises:
        ValueError: if it has another form, saying which.
    """
    if isinstance(item, list):
        if len(item) != 2 or not isinstance(item[0], str):
            raise ValueError(f'{_short(item)} is no pair of a picture and its classes')
        return item[0], classes_of(item[1], known)
    if not isinstance(item, dict):
        raise ValueError(f'its list holds {_short(item)}, no object or pair')
    labels = columns.labels or tuple(filter(is_label_word, item))
    if not isinstance(item.get(columns.image), str):
        raise ValueError(f'no key of {_short(item)} is known to name a picture')
    if not labels or not set(labels) <= set(item):
        raise ValueError(f'no key of {_short(item)} is known to name classes')
    lists = [classes_of(item[key], known) for key in labels]
    said = [names for names in lists if names is not None]
    name = item[columns.image]
    return name, [n for names in said for n in names] if said else None


def classes_of(value: Any, known: Vocabulary) -> list[str] | None:
    """Class names of a JSON value: a string, a list of them, or null.

    Raises:
        ValueError: if it is something else.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return split_cell(value, known)
    if not isinstance(value, list) or any(not isinstance(n, str) for n in value):
        raise ValueError(f'{_short(value)} is not a list of class names')
    return value


def _short(value: Any) -> str:
    """A value as JSON has it, cut off after 80 letters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f'{text[:80]}...'


@LABEL_READERS.register_module(name='json')
class JsonReader(LabelReader):
    """``{name: [class, ...]}``, or a list of objects with name and classes."""

    order = 80

    def fits(self, source: LabelSource) -> bool:
        """By suffix or first character."""
        return source.suffix == '.json' or source.begin in ('{', '[')

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """``[]`` says that there is no object, ``null`` says nothing."""
        content = source.json
        try:
            if isinstance(content, dict):
                first = next(iter(content.values()), None)
                inside = first if isinstance(first, dict) else {}
                via = {'regions', 'filename'} <= inside.keys()
                refuse_via(source.path, [*content, *(['_via_settings'] * via)])
                yield from [(k, classes_of(v, known)) for k, v in content.items()]
            elif isinstance(content, list):
                columns = columns_of(source, content)
                yield from [entry_of(item, known, columns) for item in content]
            else:
                raise ValueError(f'it holds nothing but {_short(content)}')
        except LabelError:
            raise
        except ValueError as err:
            raise LabelError(
                source.path,
                f'is JSON of no known form: {err}',
                'write {"a.jpg": ["cat"], ...} or [{"image": "a.jpg", "classes": '
                '["cat"]}, ...]' + or_columns(),
            ) from err
