# Licensed under Apache-2.0.
"""Clicks and LabelMe's marks: read, and drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmwsss.datasets.partial.mark_files import read_clicks, read_labelme
from mmwsss.datasets.partial.marks import Mark, draw_marks
from mmwsss.datasets.partial.written_maps import of_marks
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


@pytest.mark.parametrize(
    'point', [(40, 5), (5, 20), (-0.5, 3), (float('inf'), 3), (3, float('nan'))]
)
def test_outside_of_the_picture(point) -> None:
    with pytest.raises(ValueError, match='outside of the picture, which is 40 x 20'):
        draw_marks((20, 40), [Mark('point', (point,), 1)])


@pytest.mark.parametrize(
    ('kind', 'count', 'least'),
    [('area', 0, 3), ('area', 1, 3), ('area', 2, 3), ('line', 0, 1), ('point', 0, 1)],
)
def test_marks_of_too_few_points(kind, count, least) -> None:
    mark = Mark(kind, ((5.0, 5.0), (9.0, 9.0))[:count], 1)
    with pytest.raises(
        ValueError, match=f'{kind} has {count} points and needs {least}'
    ):
        draw_marks((20, 40), [mark])


TABLES = {
    'named, in another order': 'x;y;label;filename\n3;4.5;Red Fox;a.jpg\n7;8;0;a.jpg\n',
    'without a head': 'a.jpg,3,4.5,red_fox\n\na.jpg,7,8,background\n',
    'a head of spreadsheets': 'sep=;\nimage_name;x;y;tag\na;3;4.5;2\na;7;8;0\n',
    'a remark': '# by me\nname,x,y,class\na,3,4.5,RED FOX\na,7,8,_background_\n',
    'tabs and BOM': '\ufeffimage\tx\ty\tclass\na\t3\t4.5\t2\na\t7\t8\t0\n',
}


@pytest.mark.parametrize('text', TABLES.values(), ids=TABLES)
def test_tables_of_clicks(tmp_path, text) -> None:
    path = tmp_path / 'clicks.csv'
    path.write_text(text, encoding='utf-8')
    assert read_clicks(str(path), CLASSES) == {
        'a': [Mark('point', ((3.0, 4.5),), 2), Mark('point', ((7.0, 8.0),), 0)]
    }


def test_names_in_tables_of_clicks(tmp_path) -> None:
    """As in label files: of Windows, and in the letters of macOS."""
    path = tmp_path / 'clicks.csv'
    path.write_text('image,x,y,class\nsub\\ka\u0308se.jpg,3,4,cat\n', encoding='utf-8')
    assert list(read_clicks(str(path), CLASSES)) == ['sub/k\u00e4se']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('image,x,y,class\n"a.jpg,3,4,cat\n' + 40000 * 'b.jpg\n', 'is not valid CSV'),
        ('sep=;\n\na.jpg;3;x;cat\n', r"line 3 is no click: 'a\.jpg,3,x,cat'"),
        ('image,x,y,class\n../a.jpg,3,4,cat\n', "line 2 names the image '../a.jpg'"),
        ('image,x,y,class\n', 'holds no click'),
        ('\n', 'holds no click'),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message) -> None:
    path = tmp_path / 'clicks.csv'
    path.write_text(text)
    with pytest.raises(LabelError, match=message):
        read_clicks(str(path), CLASSES)


def test_classes_that_differ_in_capitals_are_two(tmp_path) -> None:
    path = tmp_path / 'clicks.csv'
    path.write_text('a.jpg,3,4,Cat\na.jpg,3,4,cat\n')
    (marks,) = read_clicks(str(path), ('background', 'Cat', 'cat')).values()
    assert [mark.id for mark in marks] == [1, 2]


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


def test_labelme_files_of_two_systems(tmp_path) -> None:
    """What macOS leaves is no file, UTF-16 is one; letters are composed."""
    content = json.dumps(dict(shapes=[labelme('cat', 'point', [[3, 4]])]))
    (tmp_path / 'ka\u0308se.json').write_text(content, encoding='utf-16')
    (tmp_path / '._a.json').write_bytes(b'\0\5\x16\7 Mac OS X')
    (tmp_path / '__MACOSX').mkdir()
    (tmp_path / '__MACOSX' / 'a.json').write_bytes(b'\0\5\x16\7 Mac OS X')
    assert read_labelme(str(tmp_path), CLASSES) == {
        'k\u00e4se': [Mark('point', ((3.0, 4.0),), 1)]
    }


def test_marks_of_one_picture_under_two_names() -> None:
    """All count, and what was read stays as it is."""
    one, other = Mark('point', ((1, 1),), 1), Mark('point', ((2, 2),), 2)
    marks = {'sub/a': [one], 'a': [other]}
    assert of_marks([dict(img_id='sub/a'), dict(img_id='b')], marks, 'x') == {
        'sub/a': [one, other]
    }
    assert marks == {'sub/a': [one], 'a': [other]}
    with pytest.raises(LabelError, match="marks 'a', which is more than one picture"):
        of_marks([dict(img_id='1/a'), dict(img_id='2/a')], dict(a=[one]), 'x')


@pytest.mark.parametrize(
    'content,message',
    [
        ('[]', 'is no file of LabelMe'),
        ('{"shapes": [7]}', 'is no file of LabelMe'),
        ('{"shapes": ', 'is no file of LabelMe'),
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
