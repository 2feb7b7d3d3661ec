# Licensed under Apache-2.0.
"""Several classes in one cell."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable

_MARKS = ('|', ';', ',')
#: what spreadsheets and pandas write where nothing is known
_UNKNOWN = frozenset(
    (
        *('nan', '<na>', 'na', 'n/a', '#n/a', 'nat', 'none', 'null', 'nil', '-', '--'),
        *(
            '?',
            'unlabelled',
            'unlabeled',
            'undefined',
            'unknown',
            'unsure',
            'uncertain',
        ),
        *('tbd', 'todo'),
    )
)


def says_nothing(name: str, known: Container[str]) -> bool:
    """Whether a label is how programs write that there is none, and no known label."""
    return name.casefold() in _UNKNOWN and (
        name not in known and name.casefold() not in known
    )


def listed(cell: str) -> list[str] | None:
    """The names of a cell that holds a list as JSON or Python writes it, else None.

    Label Studio's ``{"choices": [...]}`` is one too.

    Example:
        >>> listed("['cat', 'dog']"), listed('{"choices": ["cat"]}'), listed('cat')
        (['cat', 'dog'], ['cat'], None)
    """
    if cell[:1] + cell[-1:] not in ('[]', '{}', '()'):
        return None
    try:
        value = ast.literal_eval(cell)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, dict):
        value = value.get('choices')
    if isinstance(value, Iterable) and all(isinstance(name, str) for name in value):
        return [value] if isinstance(value, str) else list(value)
    return None


def split_cell(cell: str, known: Container[str], marks: str | tuple = _MARKS) -> list:
    """Class names of one cell: ``cat|dog``, ``cat;dog``, ``cat, dog``, ``cat dog``.

    A cell that is a known class as a whole is that class. Blanks part names only where
    every part is known, since names may hold blanks.

    Args:
        cell: the text; an empty one has no class.
        known: class names that are known, empty where nobody knows.
        marks: what parts names.

    Returns:
        The names in their order, without empty ones.

    Example:
        >>> split_cell('cat| dog', ()), split_cell('red fox', ())
        (['cat', 'dog'], ['red fox'])
        >>> split_cell('cat dog', ('cat', 'dog'))
        ['cat', 'dog']
    """
    cell = cell.strip()
    if cell in known:
        return [cell]
    several = listed(cell)
    if several is not None:
        return several
    for mark in marks:
        if mark in cell:
            return [part.strip() for part in cell.split(mark) if part.strip()]
    words = cell.split()
    if len(words) > 1 and all(word in known for word in words):
        return words
    return [cell] if cell else []
