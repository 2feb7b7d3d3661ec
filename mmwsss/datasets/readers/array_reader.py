# Licensed under Apache-2.0.
from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

from .decoding import read_decoded
from .label_reader import Entry, LabelReader
from .label_source import LabelSource
from .restricted_pickle import load_array_file
from .text_reader import split_line, text_lines
from .vocabulary import Vocabulary

#: VOC's names as the numbers that IRN and its followers make of them
_VOC_NUMBER = re.compile(r'(20\d\d)(\d{6})')


@LABEL_READERS.register_module(name='array')
class ArrayReader(LabelReader):
    """Vectors of 0 and 1, one number a foreground class in the order of the data set.

    * ``cls_labels.npy`` of the published methods: a dictionary, name → (C,);
    * an ``.npz`` with one (C,) array an image, under its name;
    * an ``.npz`` with an array of names (N,), one of numbers (N, C) and, if there is
      one, another of the class names (C,);
    * an ``.npy`` array (N, C), with the N names in a ``.txt`` of the same name.
    """

    order = 10

    def fits(self, source: LabelSource) -> bool:
        """By suffix."""
        return source.suffix in ('.npy', '.npz') and not source.is_folder

    def read(self, source: LabelSource, known: Vocabulary) -> Iterator[Entry]:
        """A vector of zeros says that there is no object."""
        vectors, own = self._vectors(source)
        names = list(own or known.classes)
        for name, vector in vectors.items():
            vector = np.asarray(vector)
            if own is None and not names:
                raise LabelError(
                    source.path,
                    'holds numbers, and the names of the classes are unknown here',
                    'give a label file with names',
                )
            _check(source.path, name, vector, names)
            yield _name(source, name), [names[i] for i in np.flatnonzero(vector)]

    def _vectors(
        self, source: LabelSource
    ) -> tuple[Mapping[Any, Any], list[str] | None]:
        """Vectors by image name, and the class names where the file gives them."""
        content = _load(source.path)
        if isinstance(content, Mapping):
            kinds = {np.asarray(value).ndim for value in content.values()}
            return _of_arrays(source.path, content) if 2 in kinds else (content, None)
        rows = np.asarray(content)
        beside = Path(source.path).with_suffix('.txt')
        if rows.ndim != 2 or not beside.is_file():
            raise LabelError(
                source.path,
                f'is an array {rows.shape} without the names of its images',
                f'write them, one a line, into {beside}',
            )
        names = [split_line(i)[0] for i in text_lines(read_decoded(str(beside))[0])]
        return _paired(source.path, names, rows), None


def _load(path: str) -> Any:
    if not path.lower().endswith('.npz'):
        return load_array_file(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile) as err:
        raise LabelError(
            path,
            f'is no archive of plain arrays ({err})',
            'save names as an array of strings (dtype U), numbers as integers',
        ) from err


def _of_arrays(path: str, arrays: Mapping[str, np.ndarray]) -> tuple[dict, Any]:
    """Take names, numbers and class names apart by their forms."""
    tables = [a for a in arrays.values() if a.ndim == 2 and a.dtype.kind in 'biuf']
    lists = [
        a.tolist() for a in arrays.values() if a.ndim == 1 and a.dtype.kind in 'US'
    ]
    if len(tables) == 1:
        count, width = tables[0].shape
        names = [items for items in lists if len(items) == count]
        classes = [
            items for items in lists if len(items) == width and items not in names
        ]
        if len(names) == 1:
            return _paired(path, names[0], tables[0]), classes[0] if classes else None
    seen = {name: f'{a.dtype}{list(a.shape)}' for name, a in arrays.items()}
    raise LabelError(
        path,
        f'holds the arrays {seen}',
        'give an array of image names (N,) and one of 0 and 1 (N, C)',
    )


def _paired(path: str, names: list[str], rows: np.ndarray) -> dict[str, np.ndarray]:
    if len(set(names)) != len(names) or len(names) != len(rows):
        raise LabelError(
            path,
            f'has {len(rows)} rows for {len(set(names))} different names',
            'give one name a row',
        )
    return dict(zip(names, rows, strict=True))


def _name(source: LabelSource, name: Any) -> str:
    """The name of an image; VOC's numbers become names again."""
    if isinstance(name, str):
        return name
    voc = _VOC_NUMBER.fullmatch(str(name))
    if voc is None:
        raise LabelError(
            source.path,
            f'names an image by the number {name!r}',
            'save the dictionary with the names of the image files',
        )
    source.notes.append(f'numbers such as {name} are taken for the names of VOC')
    return f'{voc[1]}_{voc[2]}'


def _check(path: str, name: Any, vector: np.ndarray, classes: list[str]) -> None:
    """Refuse vectors of another length, or of other values."""
    if vector.shape != (len(classes),):
        raise LabelError(
            path,
            f'gives the image {name!r} an array {vector.shape}, and there are '
            f'{len(classes)} foreground classes',
            'give one number for each foreground class, none for the background',
        )
    if not np.isin(vector, (0, 1)).all():
        raise LabelError(
            path,
            f'gives the image {name!r} the values {np.unique(vector)[:5].tolist()}',
            'give 1 for a class that is there, else 0',
        )
