# Licensed under Apache-2.0.
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .cells import split_cell
from .field_words import is_label_word, name_of_entry
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


def entry_of(item: Any, known: Vocabulary) -> Entry:
    """Name and classes of ``{"name": ..., "classes": [...]}`` or ``[name, [...]]``.

    The keys may be those of :mod:`.field_words`.

    Raises:
        TypeError, KeyError, StopIteration: if it has another form.
    """
    if isinstance(item, list):
        name, value = item
        if not isinstance(name, str):
            raise TypeError(f'{name!r} is no image name')
        return name, classes_of(value, known)
    values = [item[key] for key in item if is_label_word(key)]
    if not values:
        raise KeyError('classes')
    lists = [classes_of(value, known) for value in values]
    said = [names for names in lists if names is not None]
    return name_of_entry(item), [n for names in said for n in names] if said else None


def classes_of(value: Any, known: Vocabulary) -> list[str] | None:
    """Class names of a JSON value: a string, a list of them, or null.

    Raises:
        TypeError: if it is something else.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return split_cell(value, known)
    if not isinstance(value, list) or any(not isinstance(n, str) for n in value):
        raise TypeError(f'{str(value)[:80]} is not a list of class names')
    return value


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
                yield from ((k, classes_of(v, known)) for k, v in content.items())
            else:
                yield from [entry_of(item, known) for item in content]
        except (AttributeError, TypeError, KeyError, ValueError, StopIteration) as err:
            raise LabelError(
                source.path,
                f'is not in a known JSON form ({err!r})',
                'write {"name": ["class", ...]} or [{"name": "name", "classes": '
                '["class", ...]}]',
            ) from err
