# Licensed under Apache-2.0.
"""Tables with a column for each class that hold 1 where an image has it, else 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from mmwsss.io.data_errors import LabelError
from mmwsss.io.wording import setting

from .field_words import is_label_word
from .vocabulary import Vocabulary, spelling_key

#: what splits are called
SPLIT_WORDS = ('train', 'training', 'val', 'valid', 'validation', 'test', 'testing')

#: spreadsheets write TRUE and FALSE in the language of who uses them
_YES = {
    *('1', '1.0', 'true', 'yes', 'y', 'x', 'wahr', 'ja', 'vrai', 'oui', 'verdadero'),
    *('sí', 'vero', 'sì', 'waar', 'verdadeiro', 'sim', 'prawda', 'tak', 'истина', 'да'),
    *('sant', 'sand', 'doğru', 'evet', '真', '是', 'はい'),
}
_ZERO = {
    *(
        '0',
        '0.0',
        'false',
        'no',
        'n',
        'falsch',
        'nein',
        'faux',
        'non',
        'falso',
        'onwaar',
    ),
    *(
        'nee',
        'não',
        'fałsz',
        'nie',
        'ложь',
        'нет',
        'falskt',
        'falsk',
        'yanlış',
        'hayır',
    ),
    *('假', '否', 'いいえ'),
}
#: columns that part the pictures, without blanks, ``_`` and ``-``
_SPLITS = frozenset(
    (
        *('split', 'splits', 'subset', 'partition', 'fold', 'phase', 'dataset', 'set'),
        *(f'{word}{part}' for word in ('', 'is', 'in') for part in SPLIT_WORDS),
    )
)
#: what means "not there" where no zero does, else perhaps "nobody has looked"
_UNSURE = {'-1': '-1', '-1.0': '-1', '': 'empty cells'}
_NUMBERS = _YES | _ZERO | set(_UNSURE)


def only_numbers(rows: Sequence[Sequence[str]], columns: Iterable[int]) -> bool:
    """Whether these columns hold only 0 and 1 (or -1, true, false, yes, no, x)."""
    columns = tuple(columns)
    cells = {row[i].lower() for row in rows for i in columns if i < len(row)}
    return bool(cells & (_NUMBERS - {''})) and cells <= _NUMBERS


def entries(
    path: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    place: int,
    columns: Sequence[int],
) -> Iterator[tuple[str, list[str]]]:
    """Image names and classes; an image of zeros has no object.

    Args:
        path: of the file.
        head: names of the columns.
        rows: without the head.
        place: column of the image names.
        columns: of the classes.

    Raises:
        LabelError: if a row has not as many cells as the head, two columns have one
            name, or empty cells or -1 stand beside zeros.
    """
    _refuse_twice(path, [head[i] for i in columns])
    _refuse_unsure(path, head, rows, place, columns)
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
            [head[i] for i in columns if row[i].lower() in _YES],
        )


def _refuse_twice(path: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LabelError(
            path,
            f'has {names.count(twice[0])} columns {twice[0]!r}',
            'keep one, or name them as the classes that they are',
        )


def _refuse_unsure(
    path: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    place: int,
    columns: Sequence[int],
) -> None:
    """Refuse cells of which nobody knows whether they say "not there" or nothing."""
    cells = {row[i].lower() for row in rows for i in columns if i < len(row)}
    if not cells & _ZERO or cells.isdisjoint(_UNSURE):
        return
    row, i = next(
        (row, i)
        for row in rows
        for i in columns
        if i < len(row) and row[i].lower() in _UNSURE
    )
    raise LabelError(
        path,
        f'has zeros, and {_UNSURE[row[i].lower()]} too, first for {head[i]!r} in the '
        f'row of {row[place]!r}: not there, or not known?',
        'write 0 where a class is not there, and leave out the rows of pictures in '
        'which nobody has looked for it',
    )


def refuse_other_numbers(
    path: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: Sequence[int],
) -> None:
    """Refuse columns of numbers, not all of them 0 and 1, of which none is a label.

    Raises:
        LabelError: naming a column and its value.
    """
    for i in columns:
        cells = [row[i] for row in rows if i < len(row) and row[i]]
        odd = next((cell for cell in cells if cell.lower() not in _NUMBERS), None)
        if odd is not None and all(map(_is_number, cells)):
            raise LabelError(
                path,
                f'has a column {head[i]!r} of numbers as {odd}, and no column that is '
                'called label or class',
                'delete it if it holds no class; of a one-hot table every column but '
                'that of the names is a class, 1 where a picture has it, else 0',
            )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def refuse_without_head(
    path: str, rows: Sequence[Sequence[str]], known: Vocabulary
) -> None:
    """Refuse a table of 0 and 1 of which nobody says what the columns are.

    Raises:
        LabelError: naming the columns.
    """
    width = max(map(len, rows))
    cells = {cell for row in rows for cell in row[1:] if cell}
    if any(cell in known for cell in cells):
        return
    if width < 2 or not only_numbers(rows, range(1, width)):
        return
    which = 'column 2 holds' if width == 2 else f'columns 2 to {width} hold'
    raise LabelError(
        path,
        f'has no head row, and its {which} only 0 and 1: a one-hot export?',
        'put a first row "filename,CLASS,CLASS,..." above them, or write the names of '
        'the classes',
    )


def part_pictures(names: Iterable[str]) -> list[str]:
    """Those of the names of columns that say which split a picture is in."""
    return [name for name in names if spelling_key(name).replace('_', '') in _SPLITS]


def refuse_other_columns(
    path: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: Sequence[int],
) -> None:
    """Refuse columns that aren't classes of a table without a column of labels.

    Raises:
        LabelError: of a table of 0 and 1, if one says the split of its pictures; of
            another, if all hold one and the same two words.
    """
    names = [head[i] for i in columns]
    if any(map(is_label_word, names)):
        return
    if only_numbers(rows, columns):
        splits = part_pictures(names)
        if splits:
            raise LabelError(
                path,
                f'has a column {splits[0]!r} of 0 and 1 beside the classes, as if it '
                'parted the pictures',
                'take it out, and write the names of each split into splits/train.txt, '
                'splits/val.txt beside it; if it is a class, name all in '
                + setting('metainfo.classes'),
            )
        return
    words = {row[i] for row in rows for i in columns if i < len(row)}
    if len(words) == 2 and len(columns) > 1 and len(rows) > 1:
        raise LabelError(
            path,
            f'holds only {" and ".join(map(repr, sorted(words)))} in its columns '
            f'{names}: one-hot, in words that are not known?',
            'write 1 and 0 for them; if they are classes, call the columns label_1, '
            'label_2',
        )
