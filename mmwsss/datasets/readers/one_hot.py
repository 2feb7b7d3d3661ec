# Licensed under Apache-2.0.
"""Tables with a column for each class that hold 1 where an image has it, else 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mmwsss.io.data_errors import LabelError

from .vocabulary import Vocabulary

_YES = {'1', '1.0', 'true'}
_NO = {'0', '0.0', 'false', '-1', ''}
_NUMBERS = _YES | _NO


def only_numbers(rows: Sequence[Sequence[str]], columns: Iterable[int]) -> bool:
    """Whether these columns hold only 0 and 1 (or true and false)."""
    columns = tuple(columns)
    cells = {row[i].lower() for row in rows for i in columns if i < len(row)}
    return bool(cells & (_NUMBERS - {''})) and cells <= _NUMBERS


def entries(
    path: str, head: Sequence[str], rows: Sequence[Sequence[str]], place: int
) -> Iterator[tuple[str, list[str]]]:
    """Image names and classes; an image of zeros has no object.

    Args:
        path: of the file.
        head: names of the columns.
        rows: without the head.
        place: column of the image names.

    Raises:
        LabelError: if a row has not as many cells as the head.
    """
    for row in rows:
        if len(row) != len(head):
            raise LabelError(
                path,
                f'has {len(head)} columns in its head row, {len(row)} in that of '
                f'{row[place] if place < len(row) else row[0]!r}',
                'export it again',
            )
        yield (
            row[place],
            [
                head[i]
                for i, cell in enumerate(row)
                if i != place and cell.lower() in _YES
            ],
        )


def refuse_without_head(
    path: str, rows: Sequence[Sequence[str]], known: Vocabulary
) -> None:
    """Refuse a table of 0 and 1 of which nobody says what the columns are.

    Raises:
        LabelError: naming the columns.
    """
    width = max(map(len, rows))
    if width < 2 or not only_numbers(rows, range(1, width)) or '1' in known:
        return
    which = 'column 2 holds' if width == 2 else f'columns 2 to {width} hold'
    raise LabelError(
        path,
        f'has no head row, and its {which} only 0 and 1: a one-hot export?',
        'put a first row "filename,CLASS,CLASS,..." above them, or write the names of '
        'the classes',
    )
