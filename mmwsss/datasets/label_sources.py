# Licensed under Apache-2.0.
"""Readers of image labels: each gives ``{image name: (class name, ...)}``.

An image name is its path below the image folder, with or without suffix. The
order of the file is kept. Class names are checked later, against the data set.
"""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import IMAGE_SUFFIXES

Labels = dict[str, tuple[str, ...]]


def _collect(path: str, pairs: Iterable[tuple[str, Iterable[str]]]) -> Labels:
    """Gather the pairs, refusing a name that comes twice."""
    labels: Labels = {}
    for name, classes in pairs:
        if name in labels:
            raise LabelError(
                path,
                f'names the image {name!r} twice',
                'keep one line with all classes of the image',
            )
        labels[name] = tuple(dict.fromkeys(classes))
    return labels


def _lines(path: str) -> Iterator[list[str]]:
    """The words of each line that is neither empty nor a ``#`` comment."""
    for line in Path(path).read_text(encoding='utf-8').splitlines():
        if line.strip() and not line.lstrip().startswith('#'):
            yield line.split()


def read_text(path: str) -> Labels:
    """Lines ``name class class ...``; a blank in a class name is written ``_``."""
    return _collect(path, ((words[0], words[1:]) for words in _lines(path)))


def read_csv(path: str) -> Labels:
    """Rows ``name,class,class``; a first row that begins with ``name`` is a head."""
    with open(path, newline='', encoding='utf-8') as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    rows = [row for row in rows if any(row)]
    if rows and rows[0][0].lower() in ('name', 'image', 'filename', 'file'):
        rows = rows[1:]
    return _collect(path, ((row[0], filter(None, row[1:])) for row in rows))


def read_json(path: str) -> Labels:
    """``{name: [class, ...]}`` or a list of ``{"name": ..., "classes": [...]}``."""
    content = _load_json(path)
    try:
        if isinstance(content, dict):
            pairs = [(name, _as_list(names)) for name, names in content.items()]
        else:
            pairs = [(item['name'], _as_list(item['classes'])) for item in content]
    except (TypeError, KeyError) as err:
        raise LabelError(
            path,
            f'is not in a known JSON form ({err!r})',
            'write {"name": ["class",'
            ' ...]} or [{"name": "name", "classes": ["class", ...]}]',
        ) from err
    return _collect(path, pairs)


def _as_list(names: str | list[str]) -> list[str]:
    if isinstance(names, str):
        return [names]
    if not isinstance(names, list) or any(not isinstance(n, str) for n in names):
        raise TypeError(f'{names!r} is not a list of class names')
    return names


def _load_json(path: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except json.JSONDecodeError as err:
        raise LabelError(path, f'is not valid JSON ({err})', 'correct it') from err


def read_coco(path: str) -> Labels:
    """Instances JSON of COCO: images in order of their ids, crowds count.

    Images without an annotation get an empty tuple.
    """
    content = _load_json(path)
    try:
        names = {item['id']: item['name'] for item in content['categories']}
        classes: dict[int, list[str]] = {item['id']: [] for item in content['images']}
        for item in content['annotations']:
            classes[item['image_id']].append(names[item['category_id']])
        files = {item['id']: item['file_name'] for item in content['images']}
    except (TypeError, KeyError) as err:
        raise LabelError(
            path,
            f'is no COCO instances file (missing {err})',
            'give an instances_*.json',
        ) from err
    return _collect(path, ((files[i], classes[i]) for i in sorted(files)))


def read_voc_xml(path: str) -> Labels:
    """A folder of VOC XML files: all listed objects, "difficult" ones too."""
    files = sorted(Path(path).glob('*.xml'))
    if not files:
        raise LabelError(path, 'holds no *.xml', 'give the folder "Annotations"')
    return {file.stem: read_voc_objects(str(file)) for file in files}


def read_voc_objects(path: str) -> tuple[str, ...]:
    """Class names of one VOC XML file, "difficult" objects included."""
    try:
        objects = ElementTree.parse(path).getroot().findall('object')
        names = [item.findtext('name', '').strip() for item in objects]
    except FileNotFoundError as err:
        raise LabelError(path, 'is missing', 'unpack VOCtrainval whole') from err
    except ElementTree.ParseError as err:
        raise LabelError(
            path, f'is no VOC annotation ({err})', 'unpack it again'
        ) from err
    if not all(names):
        raise LabelError(
            path, 'is no VOC annotation (an object has no name)', 'unpack it again'
        )
    return tuple(dict.fromkeys(names))


def read_folders(path: str) -> Labels:
    """A folder per class; a folder ``a+b`` holds images of both classes."""
    folders = sorted(item for item in Path(path).iterdir() if item.is_dir())
    pairs = [
        (file.relative_to(path).as_posix(), folder.name.split('+'))
        for folder in folders
        for file in sorted(folder.rglob('*'))
        if file.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not pairs:
        raise LabelError(
            path,
            'holds no folder with images',
            'make one folder a class, with its images inside',
        )
    return _collect(path, pairs)


READERS: dict[str, Callable[[str], Labels]] = dict(
    text=read_text,
    csv=read_csv,
    json=read_json,
    coco=read_coco,
    voc_xml=read_voc_xml,
    folder=read_folders,
)


def guess_format(path: str) -> str:
    """Name of the reader that fits the file or folder."""
    file = Path(path)
    if file.is_dir():
        return 'voc_xml' if any(file.glob('*.xml')) else 'folder'
    if file.suffix.lower() == '.json':
        content = _load_json(path)
        if isinstance(content, dict) and {'images', 'annotations'} <= set(content):
            return 'coco'
        return 'json'
    return 'csv' if file.suffix.lower() == '.csv' else 'text'


def read_labels(path: str, label_format: str = 'auto') -> Labels:
    """Read image labels from a file or folder.

    Args:
        path: the label file, or the folder of XML files or class folders.
        label_format: ``'text'``, ``'csv'``, ``'json'``, ``'coco'``,
            ``'voc_xml'``, ``'folder'``, or ``'auto'`` to tell by suffix and
            content.

    Raises:
        LabelError: if it is missing, empty or malformed.
        ValueError: if the format is unknown.
    """
    if not Path(path).exists():
        raise LabelError(path, 'is missing', 'check data_root and ann_file')
    if label_format == 'auto':
        label_format = guess_format(path)
    if label_format not in READERS:
        raise ValueError(
            f'label_format={label_format!r} is unknown; '
            f'use "auto" or one of {list(READERS)}'
        )
    labels = READERS[label_format](path)
    if not labels:
        raise LabelError(path, 'names no image', 'check that it is the right file')
    return labels


def read_names(path: str) -> list[str]:
    """First word of each line of a list of images.

    Raises:
        LabelError: if the list is missing.
    """
    if not Path(path).is_file():
        raise LabelError(path, 'is missing', 'check data_root and split_file')
    return [words[0] for words in _lines(path)]
