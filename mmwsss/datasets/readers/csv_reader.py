# Licensed under Apache-2.0.
from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from mmwsss.datasets.image_names import composed
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import IMAGE_SUFFIXES
from mmwsss.registry import LABEL_READERS

from . import one_hot
from .cells import split_cell
from .columns import SAMPLE, Columns, best_name, refuse_other_head, refuse_via
from .field_words import is_label_word, is_name_word, name_rank
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .text_reader import is_comment, text_lines
from .vocabulary import Vocabulary, name_key

SEPARATORS = (',', ';', '\t')
#: rows that are looked at to tell the separator
_SAMPLE = 200
#: Excel's first line
_TOLD = re.compile(r'"?sep=([,;\t])"?\s*$', re.IGNORECASE)
_HAS_SUFFIX = tuple(IMAGE_SUFFIXES)
_SUFFIX_THEN_MARK = re.compile(
    rf'({"|".join(map(re.escape, IMAGE_SUFFIXES))})"?\s*[,;]', re.IGNORECASE
)


def find_separator(lines: Sequence[str]) -> str | None:
    """The one that parts names from classes; ``None`` where no line has any.

    The best leaves an image name in the first cell of most lines, then cells in most
    lines, then comes first in the first line that has one.
    """

    def score(mark: str) -> tuple[int, int, int]:
        firsts = [line.split(mark, 1)[0].strip(' "') for line in lines if mark in line]
        names = sum(first.lower().endswith(_HAS_SUFFIX) for first in firsts)
        place = next((line.index(mark) for line in lines if mark in line), 0)
        return names, len(firsts), -place

    best = max(SEPARATORS, key=score)
    return best if any(best in line for line in lines) else None


def read_rows(source: LabelSource) -> list[list[str]]:
    """The rows alone, see :func:`numbered_rows`."""
    return [row for _, row in numbered_rows(source)]


def numbered_rows(source: LabelSource) -> list[tuple[int, list[str]]]:
    """Rows that aren't empty, with cells without blanks around.

    Returns:
        Of each its (last) line in the file, from 1, and its cells.

    Raises:
        LabelError: if no line has a separator but blanks part its words.
    """
    lines = source.text.splitlines(keepends=True)
    told = _TOLD.match(lines[0]) if lines else None
    lines = lines[1:] if told else lines
    sample = [line for line in lines[:_SAMPLE] if line.strip()]
    separator = told[1] if told else find_separator(sample)
    spaced = [line.strip() for line in sample if len(line.split()) > 1]
    if separator is None and spaced and len(spaced) == len(sample):
        raise LabelError(
            source.path,
            f'holds no separator (comma, semicolon or tab), its first line is '
            f'{spaced[0][:60]!r}',
            'part name and classes by commas, or call the file .txt, in which blanks '
            'part them',
        )
    reader = csv.reader(lines, delimiter=separator or ',')
    try:
        rows = [
            (reader.line_num + bool(told), [cell.strip() for cell in row])
            for row in reader
        ]
    except csv.Error as err:
        raise LabelError(
            source.path, f'is not valid CSV ({err})', 'correct it'
        ) from err
    return [(n, row) for n, row in rows if any(row) and not is_comment(row[0])]


def is_head(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns."""
    if any(cell.lower().endswith(_HAS_SUFFIX) for cell in row):
        return False
    if is_name_word(row[0]) or any(is_label_word(cell) for cell in row[1:]):
        return True
    place = name_column(row)
    if place is not None:
        rest = [i for i in range(len(row)) if i != place and row[i]]
        if is_label_word(row[0]) or one_hot.only_numbers(others, rest):
            return True
    # a tool's own name of the first column, then classes over 0 and 1
    return (
        one_hot.only_numbers(others, range(1, len(row)))
        and not one_hot.only_numbers([row], range(1, len(row)))
        and len(row) > 1
    )


def name_column(head: Sequence[str]) -> int | None:
    """The column of the image names: one of files before one of a tool's numbers."""
    found = [(name_rank(cell), i) for i, cell in enumerate(head) if is_name_word(cell)]
    return min(found)[1] if found else None


@LABEL_READERS.register_module(name='csv')
class CsvReader(LabelReader):
    """Rows ``name,class,class``, or one column a class with 0 and 1 (one-hot).

    A head row may name the columns: then those called ``label``, ``class``, ``tags``, …
    count. A cell may hold several classes, see :func:`.split_cell`.
    """

    order = 90

    def fits(self, source: LabelSource) -> bool:
        """By suffix, or where a mark follows image names or tabs part all lines."""
        if source.is_folder or source.suffix in ('.csv', '.tsv'):
            return not source.is_folder
        sample = list(text_lines(source.text[: 1 << 16]))[:_SAMPLE]
        return bool(sample) and (
            any(_SUFFIX_THEN_MARK.search(line) for line in sample)
            or all('\t' in line for line in sample)
        )

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A row of a name alone says nothing of its classes; empty cells say: none."""
        rows = read_rows(source)
        if not rows:
            return
        given = source.columns or Columns()
        spoken = bool(given.image or given.labels)
        head = rows[0] if spoken or is_head(rows[0], rows[1:]) else None
        body = rows[1:] if head is not None else rows
        if head is None:
            one_hot.refuse_without_head(source.path, body, known)
            refuse_other_head(source, rows)
            place, columns = 0, None
        else:
            refuse_via(source.path, head)
            given.check(source.path, head)
            place = _place(source, head, body, given)
            values = [i for i in range(len(head)) if i != place and head[i]]
            if given.labels:
                values = [i for i in values if head[i] in given.labels]
            spoken = any(is_label_word(head[i], numbered=False) for i in values)
            if not spoken:
                values = _classes_alone(source, head, body, values, known)
                if not (known.classes or given.labels):
                    one_hot.refuse_other_columns(source.path, head, body, values)
            if not spoken and one_hot.only_numbers(body, values):
                source.declared += [head[i] for i in values]
                yield from one_hot.entries(source.path, head, body, place, values)
                return
            if not spoken and not given.labels:
                one_hot.refuse_other_numbers(source.path, head, body, values)
            columns = tuple(values)
            if not given.labels:
                columns = _label_columns(source, head, place)
        for row in body:
            yield row[place], _classes(row, place, columns, len(head or ()), known)


def _place(
    source: LabelSource,
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    given: Columns,
) -> int:
    """The column of the pictures."""
    if given.image:
        return head.index(given.image)
    first = name_column(head)
    words = [cell for cell in dict.fromkeys(head) if is_name_word(cell)]
    if first is None or len(words) < 2:
        return first or 0
    ranked = sorted(words, key=lambda word: (word != head[first], head.index(word)))
    values = {
        word: [row[i] for row in body[:SAMPLE] if i < len(row)]
        for word in words
        for i in [head.index(word)]
    }
    return head.index(best_name(source, values, ranked))


def _classes_alone(
    source: LabelSource,
    head: Sequence[str],
    body: Sequence[Sequence[str]],
    values: list[int],
    known: Vocabulary,
) -> list[int]:
    """Those of the columns that are called as a known label, if one is as a class.

    What differs from a class in its spelling stays too, to be refused with a hint:
    passed over, its pictures would be negatives.
    """
    classes = set(map(name_key, known.classes))
    alike = {i for i in values if name_key(head[i]) in classes}
    if not alike:
        return values
    found = [
        i
        for i in values
        if i in alike or (_is_known(head[i], known) and one_hot.only_numbers(body, [i]))
    ]
    others = [head[i] for i in values if i not in found]
    if others:
        source.notes.append(f'the columns {others} are passed over')
    return found


def _is_known(name: str, known: Vocabulary) -> bool:
    return composed(name) in known or name_key(name) in known


def _label_columns(
    source: LabelSource, head: Sequence[str], place: int
) -> tuple[int, ...] | None:
    """Columns whose head says that they hold classes; ``None``: no head does."""
    found = tuple(
        i for i, cell in enumerate(head) if i != place and is_label_word(cell)
    )
    others = [head[i] for i in range(len(head)) if i != place and i not in found]
    if found and any(others):
        note = f'the columns {[c for c in others if c]} are passed over'
        splits = one_hot.part_pictures(others)
        if splits:
            note += (
                f'; {splits[0]!r} may part the pictures: a split is read from '
                'splits/train.txt, splits/val.txt beside the file, a name a line'
            )
        source.notes.append(note)
    return found or None


def _classes(
    row: Sequence[str],
    place: int,
    columns: tuple[int, ...] | None,
    width: int,
    known: Vocabulary,
) -> list[str] | None:
    """Class names of a row; cells beyond a head that ends with a class count too."""
    if len(row) == 1:
        return None
    if columns is None:
        cells = [cell for i, cell in enumerate(row) if i != place]
    else:
        cells = [row[i] for i in columns if i < len(row)]
        cells += row[width:] if columns[-1] == width - 1 else []
    return [name for cell in cells for name in split_cell(cell, known)]
