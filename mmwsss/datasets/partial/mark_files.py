# Licensed under Apache-2.0.
"""Marks as people keep them: a table of clicks, or LabelMe's files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.readers.decoding import read_decoded
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem

from .marks import Mark

Marks = dict[str, list[Mark]]
#: what the columns of a table may be called, in their order where they have no names
COLUMNS: dict[str, tuple[str, ...]] = dict(
    image=('image', 'filename', 'file_name', 'file', 'name'),
    x=('x',),
    y=('y',),
    label=('class', 'label', 'category'),
)
#: LabelMe's shapes, and how they are drawn
SHAPES = dict(
    point='point',
    points='point',
    line='line',
    linestrip='line',
    polygon='area',
    rectangle='area',
)
#: LabelMe's word for what doesn't count
_IGNORED = '__ignore__'


def read_clicks(path: str, classes: Sequence[str]) -> Marks:
    """Clicks of a table ``image,x,y,class``: commas, semicolons or tabs.

    With or without a head row; with one the columns may stand in any order.

    Args:
        path: of the table.
        classes: background first; a cell names a class, or its id.

    Returns:
        By the name of the picture without its suffix: its marks, as they stand.

    Raises:
        LabelError: naming the line that isn't understood.
    """
    lines = read_decoded(path)[0].splitlines()
    first = next(iter(lines), '')
    between = max(',;\t', key=first.count)
    rows = [[c.strip() for c in row] for row in csv.reader(lines, delimiter=between)]
    head = _head(rows[0]) if rows else None
    columns = head or dict(zip(COLUMNS, range(len(COLUMNS))))
    found: Marks = {}
    for number, row in enumerate(rows, 1):
        if not any(row) or (head and number == 1):
            continue
        where = f'{path}, line {number}'
        try:
            image, label = row[columns['image']], row[columns['label']]
            point = float(row[columns['x']]), float(row[columns['y']])
        except (IndexError, ValueError):
            raise LabelError(
                where,
                f'is no click: {between.join(row)!r}',
                'write image,x,y,class, x and y in pixels from the upper left corner',
            ) from None
        mark = Mark('point', (point,), class_id(label, classes, where))
        found.setdefault(image_stem(image), []).append(mark)
    return found


def _head(row: Sequence[str]) -> dict[str, int] | None:
    """Where each column stands, if a row names them."""
    names = [cell.lower() for cell in row]
    places = {
        column: next((names.index(word) for word in words if word in names), -1)
        for column, words in COLUMNS.items()
    }
    return None if -1 in places.values() else places


def class_id(label: str, classes: Sequence[str], where: str) -> int:
    """The id of a class that is named, or given by its id.

    Raises:
        LabelError: if there is no such class.
    """
    names = {name.replace(' ', '_').lower(): i for i, name in enumerate(classes)}
    names['_background_'] = 0
    found = names.get(label.replace(' ', '_').lower())
    if found is None and label.isdecimal() and int(label) < len(classes):
        found = int(label)
    if found is None:
        raise LabelError(
            where,
            f'names the class {label!r}',
            f'use one of {list(classes)}, or its id',
        )
    return found


def read_labelme(folder: str, classes: Sequence[str]) -> Marks:
    """Points, lines, polygons and rectangles of LabelMe's JSON files.

    Args:
        folder: of the files, each named as its picture.
        classes: background first. ``__ignore__`` is passed over.

    Returns:
        As :func:`read_clicks`.

    Raises:
        LabelError: naming a file that is none of LabelMe's, an unknown class or shape.
    """
    files = sorted(Path(folder).rglob('*.json'))
    if not files:
        raise LabelError(folder, 'holds no .json file', 'give the folder of LabelMe')
    found: Marks = {}
    for file in files:
        name = file.relative_to(folder).with_suffix('').as_posix()
        shapes = _shapes(file)
        found[name] = [
            _mark(shape, classes, str(file))
            for shape in shapes
            if shape.get('label') != _IGNORED
        ]
    return found


def _shapes(file: Path) -> list[Mapping[str, Any]]:
    try:
        shapes = json.loads(file.read_text(encoding='utf-8'))['shapes']
        assert all(isinstance(shape, Mapping) for shape in shapes)
        return list(shapes)
    except (ValueError, KeyError, TypeError, AssertionError):
        raise LabelError(
            str(file), 'is no file of LabelMe (a list "shapes")', 'take it out'
        ) from None


def _mark(shape: Mapping[str, Any], classes: Sequence[str], where: str) -> Mark:
    kind = SHAPES.get(str(shape.get('shape_type') or 'polygon'))
    if kind is None:
        raise LabelError(
            where,
            f'has a shape {shape.get("shape_type")!r}',
            f'draw one of {list(SHAPES)}',
        )
    i = class_id(str(shape.get('label')), classes, where)
    try:
        points = tuple((float(x), float(y)) for x, y in shape['points'])
    except (KeyError, TypeError, ValueError):
        raise LabelError(
            where, f'has a shape {shape.get("label")!r} without points', 'draw it again'
        ) from None
    if shape.get('shape_type') == 'rectangle' and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    return Mark(kind, points, i)
