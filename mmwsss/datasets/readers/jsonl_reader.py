# Licensed under Apache-2.0.
from __future__ import annotations

import json
from collections.abc import Iterator

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .columns import SAMPLE, or_columns
from .json_reader import columns_of, entry_of
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary


@LABEL_READERS.register_module(name='jsonl')
class JsonlReader(LabelReader):
    """A JSON object a line, as Hugging Face's ImageFolder has it (``metadata.jsonl``).

    ``{"file_name": "a.jpg", "label": "cat"}``; the names of the keys are those of
    :mod:`.field_words`.
    """

    order = 30

    def fits(self, source: LabelSource) -> bool:
        """By suffix, or where the first line of several is an object of its own."""
        if source.is_folder:
            return False
        if source.suffix in ('.jsonl', '.ndjson'):
            return True
        if source.begin != '{':
            return False
        first, _, rest = source.text.lstrip().partition('\n')
        return first.rstrip().endswith('}') and rest.lstrip().startswith('{')

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """The errors name the line."""
        # json.loads would make a decoder for each line
        decode = json.JSONDecoder(object_pairs_hook=source.no_key_twice).decode
        lines = source.text.splitlines()
        first = [line for line in lines[:SAMPLE] if line.strip()]
        columns = None
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                columns = columns or columns_of(source, list(map(decode, first)))
                yield entry_of(decode(line), known, columns)
            except LabelError:
                raise
            except ValueError as err:
                raise LabelError(
                    source.path,
                    f'is not in a known JSONL form, line {number}: {err}',
                    'write {"file_name": "a.jpg", "label": "cat"} or "labels": '
                    '["cat", ...], with the names of the classes' + or_columns(),
                ) from err
