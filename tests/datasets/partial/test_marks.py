# Licensed under Apache-2.0.
"""Clicks and LabelMe's marks: read, and drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmwsss.datasets.partial.mark_files import read_clicks, read_labelme
from mmwsss.datasets.partial.marks import Mark, draw_marks
from mmwsss.io.data_errors import LabelError

CLASSES = ('background', 'cat', 'red fox')


def test_discs_strokes_and_areas() -> None:
    marks = [
        Mark('area', ((2, 2), (12, 2), (12, 8), (2, 8)), 1),
        Mark('line', ((20.0, 5.9), (30.0, 5.0)), 2),
        Mark('point', ((25.5, 5.5), (38.0, 18.0)), 0),
    ]
    known = draw_marks((20, 40), marks, radius=1)
    assert known.shape == (20, 40) and known.dtype == np.uint8
    assert set(np.unique(known)) == {0, 1, 2, 255}
    assert (known[2:9, 2:13] == 1).all() and (known == 1).sum() == 7 * 11
    assert (known[4:7, 21:24] == 2).all() and not (known[:3, 20:31] == 2).any()
    assert np.argwhere(known == 0).tolist() == [
        *([4, 25], [5, 24], [5, 25], [5, 26], [6, 25]),  # it lies on top
        *([17, 38], [18, 37], [18, 38], [18, 39], [19, 38]),
    ]
    assert (draw_marks((20, 40), marks[2:], radius=0) == 0).sum() == 2


@pytest.mark.parametrize('point', [(40, 5), (5, 20), (-0.5, 3)])
def test_outside_of_the_picture(point) -> None:
    with pytest.raises(ValueError, match='outside of the picture, which is 40 x 20'):
        draw_marks((20, 40), [Mark('point', (point,), 1)])


TABLES = {
    'named, in another order': 'x;y;label;filename\n3;4.5;Red Fox;a.jpg\n7;8;0;a.jpg\n',
    'without a head': 'a.jpg,3,4.5,red_fox\n\na.jpg,7,8,background\n',
    'tabs and BOM': '\ufeffimage\tx\ty\tclass\na\t3\t4.5\t2\na\t7\t8\t0\n',
}


@pytest.mark.parametrize('text', TABLES.values(), ids=TABLES)
def test_tables_of_clicks(tmp_path, text) -> None:
    path = tmp_path / 'clicks.csv'
    path.write_text(text, encoding='utf-8')
    assert read_clicks(str(path), CLASSES) == {
        'a': [Mark('point', ((3.0, 4.5),), 2), Mark('point', ((7.0, 8.0),), 0)]
    }


@pytest.mark.parametrize(
    'line,message',
    [
        ('a.jpg,3,x,cat', r"line 2 is no click: 'a\.jpg,3,x,cat'.*image,x,y,class"),
        ('a.jpg,3', 'line 2 is no click'),
        ('a.jpg,3,4,dog', r"line 2 names the class 'dog'.*'red fox'"),
        ('a.jpg,3,4,3', "names the class '3'"),
    ],
)
def test_lines_that_are_no_click(tmp_path, line, message) -> None:
    path = tmp_path / 'clicks.csv'
    path.write_text(f'image,x,y,class\n{line}\n')
    with pytest.raises(LabelError, match=message):
        read_clicks(str(path), CLASSES)


def labelme(label: str, kind: str, points) -> dict:
    return dict(label=label, shape_type=kind, points=points, group_id=None, flags={})


def test_labelme(tmp_path) -> None:
    """As the tool writes it: one file a picture, in folders too."""
    shapes = [
        labelme('cat', 'point', [[3.2, 4.9]]),
        labelme('red fox', 'linestrip', [[1, 1], [5, 1], [5, 6]]),
        labelme('_background_', 'rectangle', [[1, 2], [4, 6]]),
        labelme('__ignore__', 'circle', [[1, 2], [4, 6]]),
    ]
    (tmp_path / 'day 1').mkdir()
    file = tmp_path / 'day 1' / 'a.json'
    file.write_text(json.dumps(dict(version='5.4.1', imagePath='a.jpg', shapes=shapes)))
    (marks,) = read_labelme(str(tmp_path), CLASSES).values()
    assert [(m.kind, m.id) for m in marks] == [('point', 1), ('line', 2), ('area', 0)]
    assert marks[2].points == ((1, 2), (4, 2), (4, 6), (1, 6))
    assert list(read_labelme(str(tmp_path), CLASSES)) == ['day 1/a']


@pytest.mark.parametrize(
    'content,message',
    [
        ('[]', 'is no file of LabelMe'),
        ('{"shapes": [{"label": "dog", "points": [[1, 1]]}]}', "names the class 'dog'"),
        ('{"shapes": [{"label": "cat", "shape_type": "circle"}]}', "a shape 'circle'"),
        ('{"shapes": [{"label": "cat", "points": [1]}]}', "'cat' without points"),
    ],
)
def test_files_that_labelme_did_not_write(tmp_path, content, message) -> None:
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(LabelError, match=rf'a\.json .*{message}'):
        read_labelme(str(tmp_path), CLASSES)


def test_an_empty_folder(tmp_path) -> None:
    with pytest.raises(LabelError, match='holds no .json file'):
        read_labelme(str(tmp_path), CLASSES)
