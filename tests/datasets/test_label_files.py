# Licensed under Apache-2.0.
"""Readers of image labels."""

from __future__ import annotations

import json

import pytest

from mmwsss.datasets.readers.reading import guess_format, read_labels, read_names
from mmwsss.io.data_errors import LabelError

XML = (
    '<annotation><object><name>{}</name><difficult>1</difficult></object>'
    '<object><name>dog</name></object></annotation>'
)


def write(path, text):
    path.write_text(text)
    return str(path)


def test_text(tmp_path):
    path = write(tmp_path / 'l.txt', '# comment\na cat dog cat\n\nb.jpg dog\n')
    assert read_labels(path) == {'a': ('cat', 'dog'), 'b.jpg': ('dog',)}
    assert read_names(path) == ['a', 'b.jpg']


@pytest.mark.parametrize('head', ['', 'name,classes\n'])
def test_csv(tmp_path, head):
    path = write(tmp_path / 'l.csv', head + 'my photo.jpg,red fox,cat\nb,dog,\n')
    assert read_labels(path) == {'my photo.jpg': ('red fox', 'cat'), 'b': ('dog',)}


@pytest.mark.parametrize(
    'content',
    [
        {'a': ['cat', 'dog'], 'b': 'dog'},
        [{'name': 'a', 'classes': ['cat', 'dog']}, {'name': 'b', 'classes': ['dog']}],
    ],
)
def test_json(tmp_path, content):
    path = write(tmp_path / 'l.json', json.dumps(content))
    assert read_labels(path) == {'a': ('cat', 'dog'), 'b': ('dog',)}


def test_coco_json_is_told_apart_and_sorted(tmp_path):
    path = write(
        tmp_path / 'i.json',
        json.dumps(
            dict(
                images=[dict(id=7, file_name='z.jpg'), dict(id=3, file_name='y.jpg')],
                annotations=[
                    dict(image_id=7, category_id=2),
                    dict(image_id=7, category_id=2),
                ],
                categories=[dict(id=2, name='cat')],
            )
        ),
    )
    assert guess_format(path) == 'coco'
    assert list(read_labels(path).items()) == [('y.jpg', ()), ('z.jpg', ('cat',))]


def test_voc_xml_takes_difficult_objects(tmp_path):
    write(tmp_path / 'a.xml', XML.format('cat'))
    assert read_labels(str(tmp_path)) == {'a': ('cat', 'dog')}


def test_folders(tmp_path):
    for name in ('cat/1.jpg', 'cat+dog/2.PNG', 'dog/deep/3.jpg', 'dog/notes.txt'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert read_labels(str(tmp_path)) == {
        'cat/1.jpg': ('cat',),
        'cat+dog/2.PNG': ('cat', 'dog'),
        'dog/deep/3.jpg': ('dog',),
    }


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('l.txt', '', 'names no image'),
        ('l.json', '{"a": 3}', 'not in a known JSON form'),
        ('l.json', '{', 'not valid JSON'),
        ('l.json', '{"images": [], "annotations": []}', 'no COCO instances file'),
    ],
)
def test_broken_files_are_named(tmp_path, name, text, message):
    path = write(tmp_path / name, text)
    with pytest.raises(LabelError, match=message) as info:
        read_labels(path)
    assert path in str(info.value)
    assert 'Fix:' in str(info.value)


def test_missing_unknown_and_empty(tmp_path):
    with pytest.raises(LabelError, match='is missing'):
        read_labels(str(tmp_path / 'no.txt'))
    with pytest.raises(ValueError, match='label_format'):
        read_labels(write(tmp_path / 'l.txt', 'a b\n'), 'yaml')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(LabelError, match='no folder with images'):
        read_labels(str(tmp_path / 'empty'))
    (tmp_path / 'x').mkdir()
    write(tmp_path / 'x' / 'a.xml', '<annotation><object/></annotation>')
    with pytest.raises(LabelError, match=r'a\.xml is no VOC annotation'):
        read_labels(str(tmp_path / 'x'))
