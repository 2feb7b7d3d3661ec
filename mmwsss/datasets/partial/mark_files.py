# Licensed under Apache-2.0.
"""Marks as people keep them: a table of clicks, or LabelMe's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.image_names import clean_name
from mmwsss.datasets.readers.csv_reader import name_column, numbered_rows
from mmwsss.datasets.readers.field_words import is_label_word
from mmwsss.datasets.readers.label_source import LabelSource
from mmwsss.datasets.readers.labelme_reader import (
    labelme_content,
    labelme_files,
    labelme_shapes,
)
from mmwsss.io.data_errors import LabelError
from mmwsss.io.image_files import image_stem

from .class_ids import ClassIds
from .marks import Mark

Marks = dict[str, list[Mark]]
_FORM = 'write image,x,y,class, x and y in pixels from the upper left corner'
#: LabelMe's shapes, and how they are drawn
SHAPES = dict(
    point='point',
    points='point',
    line='line',
    linestrip='line',
    polygon='area',
    rectangle='area',
)


def read_clicks(path: str, classes: Sequence[str]) -> Marks:
    """Clicks of a table ``image,x,y,class``: commas, semicolons or tabs.

    With or without a head row; with one the columns may stand in any order.

    Args:
        path: of the table.
        classes: background first; a cell names a class, or its id.

    Returns:
        By the name of the picture without its suffix: its marks, as they stand.

    Raises:
        LabelError: naming the line that isn't understood; if there is none.
    """
    rows = numbered_rows(LabelSource(path))
    head = _head(rows[0][1]) if rows else None
    image, x, y, label = head or (0, 1, 2, 3)
    ids = ClassIds(classes)
    found: Marks = {}
    for number, row in rows[1:] if head else rows:
        where = f'{path}, line {number}'
        try:
            point = float(row[x]), float(row[y])
            name, named = row[image], row[label]
        except (IndexError, ValueError):
            raise LabelError(where, f'is no click: {",".join(row)!r}', _FORM) from None
        mark = Mark('point', (point,), ids.find(named, where))
        found.setdefault(image_stem(clean_name(name, where)), []).append(mark)
    if not found:
        raise LabelError(path, 'holds no click', _FORM)
    return found


def _head(row: Sequence[str]) -> tuple[int, int, int, int] | None:
    """Columns of picture, x, y and class, if a row names them."""
    names = [cell.lower() for cell in row]
    image = name_column(row)
    labels = [i for i, cell in enumerate(row) if is_label_word(cell, numbered=False)]
    if image is None or not labels or not {'x', 'y'} <= set(names):
        return None
    return image, names.index('x'), names.index('y'), labels[0]


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
    files = labelme_files(folder, below=True)
    if not files:
        raise LabelError(folder, 'holds no .json file', 'give the folder of LabelMe')
    ids = ClassIds(classes)
    found: Marks = {}
    for file in files:
        shapes = labelme_shapes(labelme_content(file), str(file))
        marks = [_mark(shape, ids, str(file)) for shape in shapes]
        found.setdefault(_picture(file, folder), []).extend(marks)
    return found


def _picture(file: Path, folder: str) -> str:
    """The name of a picture without its suffix, from the file of its marks."""
    name = file.relative_to(folder).with_suffix('').as_posix()
    return image_stem(clean_name(name, str(file)))


def _mark(shape: Mapping[str, Any], ids: ClassIds, where: str) -> Mark:
    kind = SHAPES.get(str(shape.get('shape_type') or 'polygon'))
    if kind is None:
        raise LabelError(
            where,
            f'has a shape {shape.get("shape_type")!r}',
            f'draw one of {list(SHAPES)}',
        )
    i = ids.find(str(shape.get('label')), where)
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
