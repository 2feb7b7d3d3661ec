# Licensed under Apache-2.0.
"""Image labels of any known form: ``{image name: (class name, ...)}``.

An image name is its path below the image folder, with or without suffix. The
order of the file is kept. Class names are checked later, against the data set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from mmwsss.datasets.image_names import clean_name
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.findings import Findings
from mmwsss.io.image_files import image_stem
from mmwsss.io.wording import setting
from mmwsss.registry import LABEL_READERS

from .cells import says_nothing
from .columns import Columns
from .decoding import read_decoded
from .label_reader import Entry
from .label_source import LabelSource
from .label_table import Labels, LabelTable
from .text_reader import split_line, text_lines
from .vocabulary import Vocabulary

NOTHING = Vocabulary()


def guess_format(path: str | LabelSource) -> str:
    """Name of the reader that fits the file or folder; ``text`` takes any file.

    Raises:
        LabelError: if the file can't be read at all.
    """
    source = path if isinstance(path, LabelSource) else LabelSource(path)
    if source.suffix in ('.yaml', '.yml'):
        raise LabelError(
            source.path,
            'is a YAML file, as YOLO has for the names of classes: no image labels',
            'give the labels; those of YOLO exports after an export as COCO or '
            'Pascal VOC',
        )
    readers = sorted(
        (r.order, name, r) for name, r in LABEL_READERS.module_dict.items()
    )
    return next(name for _, name, reader in readers if reader().fits(source))


def read_table(
    path: str,
    label_format: str = 'auto',
    known: Vocabulary = NOTHING,
    folder: str | None = None,
    beside: Sequence[str] = (),
    findings: Findings | None = None,
    columns: Columns | None = None,
) -> LabelTable:
    """All that a label file or folder says.

    Args:
        path: of it.
        label_format: ``'text'``, ``'csv'``, ``'json'``, ``'jsonl'``, ``'coco'``,
            ``'label_studio'``, ``'label_studio_csv'``, ``'labelme'``, ``'cvat'``,
            ``'voc_xml'``, ``'folder'``, ``'array'``, one that another package
            registers, or ``'auto'`` to tell by suffix and content.
        known: labels that are known, with which cells are split and vectors read.
        folder: the image folder, below which absolute names may lie.
        beside: folders of masks: what lies in them is no picture, nor is one a class.
        findings: gets what is refused of folders, which is raised otherwise.
        columns: that hold pictures and labels, where their names don't tell.

    Raises:
        LabelError: if it is missing, empty or malformed.
        UserError: if the format is unknown.
    """
    if not Path(path).exists():
        raise LabelError(
            path, 'is missing', f'check {setting("data_root")}, {setting("ann_file")}'
        )
    source = LabelSource(path, beside, findings, folder, columns)
    if label_format == 'auto':
        label_format = guess_format(source)
    reader = LABEL_READERS.module_dict.get(label_format)
    if reader is None:
        raise UserError(
            f'label_format={label_format!r} is unknown; '
            f'use "auto" or one of {sorted(LABEL_READERS.module_dict)}'
        )
    entries = _without_fillers(source, reader().read(source, known), known)
    table = LabelTable.gather(source, entries, folder)
    if findings is None:
        source.findings.refuse()
    if not table.labels:
        seen = 'is empty' if source.is_empty else 'names no image'
        raise LabelError(path, seen, 'check that it is the right file')
    return table


def _without_fillers(
    source: LabelSource, entries: Iterable[Entry], known: Vocabulary
) -> Iterator[Entry]:
    """Entries without labels as ``nan``; where nothing else is said, nothing is.

    Raises:
        LabelError: if a name or label is no text, or goes over two lines.
    """
    for name, given in entries:
        labels = None if given is None else tuple(given)
        texts = (name, *(labels or ()))
        try:
            broken = '\n' in ''.join(texts)
        except TypeError:
            odd = next(text for text in texts if not isinstance(text, str))
            raise LabelError(
                source.path,
                f'has {odd!r} for a name of a picture or class, in {list(texts)}',
                'write names as text; of a picture without a label give none',
            ) from None
        if broken:
            raise LabelError(
                source.path,
                f'has a line break in {list(texts)}'
                + ('' if source.is_folder else ': a quote that is not closed?'),
                'rename the file' if source.is_folder else 'correct it',
            )
        said = [label for label in labels or () if not says_nothing(label, known)]
        if labels and len(said) < len(labels):
            source.fillers.update(label for label in labels if label not in said)
            labels = tuple(said) or None
        yield name, labels


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
        LabelError: if the list is missing or empty, or names images outside the
            folder.
    """
    if not Path(path).is_file():
        raise LabelError(
            path,
            'is missing',
            f'check {setting("data_root")} and {setting("split_file")}',
        )
    names = []
    for line in text_lines(read_decoded(path)[0]):
        whole = ' ' in line and image_stem(clean_name(line, path, folder)) in known
        name = line if whole else split_line(line)[0]
        names.append(clean_name(name, path, folder))
    if not names:
        raise LabelError(path, 'names no image', 'check that it is the right list')
    return names
