# Licensed under Apache-2.0.
"""Several classes in one cell."""

from __future__ import annotations

from collections.abc import Container

_MARKS = ('|', ';', ',')


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
    for mark in marks:
        if mark in cell:
            return [part.strip() for part in cell.split(mark) if part.strip()]
    words = cell.split()
    if len(words) > 1 and all(word in known for word in words):
        return words
    return [cell] if cell else []
