# Licensed under Apache-2.0.
"""Image labels of any known form: ``{image name: (class name, ...)}``.

An image name is its path below the image folder, with or without suffix. The
order of the file is kept. Class names are checked later, against the data set.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from mmwsss.datasets.image_names import clean_name
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import image_stem
from mmwsss.registry import LABEL_READERS

from .decoding import read_decoded
from .label_source import LabelSource
from .label_table import Labels, LabelTable
from .text_reader import split_line, text_lines
from .vocabulary import Vocabulary

NOTHING = Vocabulary()


def guess_format(path: str | LabelSource) -> str:
    """Name of the reader that fits the file or folder.

    Raises:
        LabelError: if the file can't be read at all.
    """
    source = path if isinstance(path, LabelSource) else LabelSource(path)
    readers = LABEL_READERS.module_dict
    for name in sorted(readers, key=lambda name: (readers[name].order, name)):
        if readers[name]().fits(source):
            return name
    raise LabelError(source.path, 'has no known form', 'give label_format')


def read_table(
    path: str,
    label_format: str = 'auto',
    known: Vocabulary = NOTHING,
    folder: str | None = None,
) -> LabelTable:
    """All that a label file or folder says.

    Args:
        path: of it.
        label_format: ``'text'``, ``'csv'``, ``'json'``, ``'jsonl'``, ``'coco'``,
            ``'label_studio'``, ``'cvat'``, ``'voc_xml'``, ``'folder'``, ``'array'``,
            one that another package registers, or ``'auto'`` to tell by suffix and
            content.
        known: labels that are known, with which cells are split and vectors read.
        folder: the image folder, below which absolute names may lie.

    Raises:
        LabelError: if it is missing, empty or malformed.
        UserError: if the format is unknown.
    """
    if not Path(path).exists():
        raise LabelError(path, 'is missing', 'check data_root and ann_file')
    source = LabelSource(path)
    if label_format == 'auto':
        label_format = guess_format(source)
    reader = LABEL_READERS.module_dict.get(label_format)
    if reader is None:
        raise UserError(
            f'label_format={label_format!r} is unknown; '
            f'use "auto" or one of {sorted(LABEL_READERS.module_dict)}'
        )
    table = LabelTable.gather(source, reader().read(source, known), folder)
    if not table.labels:
        raise LabelError(path, 'names no image', 'check that it is the right file')
    return table


def read_labels(
    path: str, label_format: str = 'auto', classes: Sequence[str] = ()
) -> Labels:
    """Class names of each image, as :func:`read_table` reads them.

    Args:
        path: of the label file or folder.
        label_format: as there.
        classes: foreground classes that are known, in their order.
    """
    return read_table(path, label_format, Vocabulary(tuple(classes))).labels


def read_names(
    path: str, known: Collection[str] = (), folder: str | None = None
) -> list[str]:
    """Image names of a list: the first of each line.

    Args:
        path: of the list.
        known: names that are known, without suffix: a line that is one of them, with
            its blanks, is taken whole.
        folder: the image folder, below which absolute names may lie.

    Raises:
        LabelError: if the list is missing, or names images outside the folder.
    """
    if not Path(path).is_file():
        raise LabelError(path, 'is missing', 'check data_root and split_file')
    names = []
    for line in text_lines(read_decoded(path)[0]):
        whole = ' ' in line and image_stem(clean_name(line, path, folder)) in known
        name = line if whole else split_line(line)[0]
        names.append(clean_name(name, path, folder))
    return names
