# Licensed under Apache-2.0.
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .csv_reader import read_rows
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .label_studio_reader import OWN_KEYS, names_of, own_name, short_task
from .vocabulary import Vocabulary


@LABEL_READERS.register_module(name='label_studio_csv')
class LabelStudioCsvReader(LabelReader):
    """Label Studio's exports "CSV" and "TSV": JSON-MIN with a task in each row.

    Cells hold one choice, ``{"choices": [...]}`` or a list of shapes as JSON.
    """

    order = 85

    def fits(self, source: LabelSource) -> bool:
        """A table with the columns that Label Studio adds."""
        if source.is_folder or source.suffix not in ('.csv', '.tsv'):
            return False
        head = source.text.partition('\n')[0]
        return all(key in head for key in OWN_KEYS)

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A task without a label says nothing of its classes."""
        head, *rows = read_rows(source)
        for number, row in enumerate(rows, 1):
            task = {
                key: _value(cell) for key, cell in zip(head, row, strict=False) if cell
            }
            try:
                url, labels = short_task(task)
                names = None if labels is None else names_of(labels)
            except (AttributeError, TypeError, KeyError, ValueError) as err:
                raise LabelError(
                    source.path,
                    f'is no table of Label Studio that is understood: row {number} has '
                    f'another form ({err})',
                    'export it as JSON or JSON-MIN',
                ) from err
            yield own_name(url, source), names


def _value(cell: str) -> Any:
    """What a cell holds: JSON where it is some, else text."""
    if cell[:1] not in ('{', '['):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        return cell
