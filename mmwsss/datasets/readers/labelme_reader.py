# Licensed under Apache-2.0.
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.io.litter import is_litter
from mmwsss.registry import LABEL_READERS

from .decoding import read_decoded
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .vocabulary import Vocabulary

_KEYS = ('shapes', 'imagePath')


@LABEL_READERS.register_module(name='labelme')
class LabelMeReader(LabelReader):
    """A folder with a LabelMe file for each picture, ``a.json`` of ``a.jpg``.

    The labels of all shapes count, and flags that are set.
    """

    order = 15

    def fits(self, source: LabelSource) -> bool:
        """A folder whose first JSON file is one of LabelMe."""
        if not source.is_folder:
            return False
        first = next(iter(_files(source.path)), None)
        return first is not None and _content(first) is not None

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A file without a shape says that its picture holds no object."""
        for file in _files(source.path):
            content = _content(file)
            if content is None:
                source.left_out['.json', 'not of LabelMe'] += 1
                continue
            # the tool wrote the way from the file to the picture, perhaps on Windows
            name = PureWindowsPath(content['imagePath']).name
            yield name, _labels(content, str(file))


def _files(folder: str) -> list[Path]:
    return sorted(p for p in Path(folder).glob('*.json') if not is_litter(p.name))


def _content(file: Path) -> Mapping[str, Any] | None:
    """What a LabelMe file holds; ``None`` if it is another."""
    try:
        content = json.loads(read_decoded(str(file))[0])
    except ValueError:
        return None
    known = isinstance(content, dict) and all(key in content for key in _KEYS)
    return content if known else None


def _labels(content: Mapping[str, Any], path: str) -> list[str]:
    """Labels of shapes in their order, then flags that are set.

    Raises:
        LabelError: if a shape has none.
    """
    try:
        shapes = [shape['label'] for shape in content['shapes']]
        flags = content.get('flags') or {}
        found = [*shapes, *(name for name, is_set in flags.items() if is_set)]
    except (TypeError, KeyError, AttributeError) as err:
        raise LabelError(
            path, f'is no LabelMe file ({err!r})', 'save it again in LabelMe'
        ) from err
    return list(dict.fromkeys(found))
