# Licensed under Apache-2.0.
"""Readers of image labels."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.readers.label_reader import LabelReader
from mmwsss.datasets.readers.reading import (
    guess_format,
    read_labels,
    read_names,
    read_table,
)
from mmwsss.datasets.readers.vocabulary import Vocabulary
from mmwsss.io.data_errors import LabelError
from mmwsss.registry import LABEL_READERS

XML = (
    '<annotation><object><name>{}</name><difficult>1</difficult></object>'
    '<object><name>dog</name></object></annotation>'
)


def write(path, text):
    path.write_text(text, encoding='utf-8')
    return str(path)


def test_text(tmp_path):
    path = write(tmp_path / 'l.txt', '# comment\na cat dog cat\n\nb.jpg dog\n')
    assert read_labels(path) == {'a': ('cat', 'dog'), 'b.jpg': ('dog',)}
    assert read_names(path) == ['a', 'b.jpg']


@pytest.mark.parametrize('head', ['', 'name,classes\n'])
def test_csv(tmp_path, head):
    path = write(tmp_path / 'l.csv', head + 'my photo.jpg,red fox,cat\nb,dog,\n')
    assert read_labels(path) == {'my photo.jpg': ('red fox', 'cat'), 'b': ('dog',)}


def test_csv_of_more_classes_than_its_head_has_columns(tmp_path):
    path = write(tmp_path / 'l.csv', 'image,label\na.jpg,cat,dog,red fox\nb.jpg,cat\n')
    assert read_labels(path)['a.jpg'] == ('cat', 'dog', 'red fox')
    other = write(tmp_path / 'm.csv', 'image,label,width\na.jpg,cat,640\n')
    assert read_labels(other) == {'a.jpg': ('cat',)}


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
        ('l.txt', ' \n', 'is empty'),
        ('l.txt', '# nothing yet\n', 'names no image'),
        ('l.json', '{"a": 3}', r'known form: 3 is not a list of class names'),
        ('l.json', '3', r'it holds nothing but 3\.'),
        ('l.json', '["a.jpg"]', r'its list holds "a\.jpg", no object or pair'),
        ('l.json', '[["a.jpg"]]', r'\["a\.jpg"\] is no pair of a picture and its'),
        ('l.json', '[{"bild": "a.jpg", "tag": "x"}]', 'is known to name a picture'),
        ('l.json', '[{"img": "a.jpg", "x": "y"}]', 'no key of .* to name classes'),
        ('l.jsonl', '{"img": "a.jpg"}\n', 'line 1: no key of .* to name classes'),
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


# ------------------------------------------------------- as the tools write them

ROBOFLOW = 'filename, cat, red fox\na_jpg.rf.1f2e.jpg, 1, 1\nb_jpg.rf.3c4d.jpg, 0, 0\n'
JSONL = (
    '{"file_name": "my photo.jpg", "label": "cat"}\n'
    '{"file_name": "b.jpg", "labels": ["cat", "dog"]}\n'
)
LABEL_STUDIO = [
    {
        'id': 1,
        'data': {'image': '/data/upload/3/1f2e3d4c-my%20photo.jpg'},
        'annotations': [
            {
                'id': 7,
                'was_cancelled': False,
                'result': [
                    {
                        'type': 'choices',
                        'from_name': 'choice',
                        'to_name': 'image',
                        'value': {'choices': ['cat', 'dog']},
                    },
                    {
                        'type': 'rectanglelabels',
                        'value': {'x': 1, 'y': 2, 'rectanglelabels': ['red fox']},
                    },
                ],
            }
        ],
    },
    {
        'id': 2,
        'data': {'image': '/data/local-files/?d=images/b.jpg'},
        'annotations': [{'result': []}],
    },
    {'id': 3, 'data': {'image': 's3://bucket/c.jpg'}, 'annotations': []},
]
JSON_MIN = [
    {
        'image': '/data/upload/3/1f2e3d4c-a.jpg',
        'id': 1,
        'choice': {'choices': ['cat', 'dog']},
        'annotator': 1,
        'annotation_id': 7,
        'created_at': '2026-01-01T00:00:00Z',
        'updated_at': '2026-01-01T00:00:00Z',
        'lead_time': 3.2,
    },
    {
        'image': '/data/upload/3/5a6b7c8d-b.jpg',
        'id': 2,
        'label': [{'x': 1, 'rectanglelabels': ['dog']}],
        'annotation_id': 8,
    },
]
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>t</name></task></meta>
  <image id="0" name="sub/a b.jpg" width="4" height="3">
    <tag label="cat" source="manual"></tag>
    <box label="dog" occluded="0" xtl="1" ytl="1" xbr="2" ybr="2" z_order="0"></box>
  </image>
  <image id="1" name="c.jpg" width="4" height="3"></image>
</annotations>
"""
ANNOTATIONS = (
    'filename,width,height,class,xmin,ymin,xmax,ymax\n'
    'a.jpg,640,480,cat,1,2,3,4\na.jpg,640,480,dog,1,2,3,4\n'
)


@pytest.mark.parametrize(
    ('name', 'text', 'expected'),
    [
        (
            '_classes.csv',
            ROBOFLOW,
            {'a_jpg.rf.1f2e.jpg': ('cat', 'red fox'), 'b_jpg.rf.3c4d.jpg': ()},
        ),
        ('_annotations.csv', ANNOTATIONS, {'a.jpg': ('cat', 'dog')}),
        (
            'metadata.jsonl',
            JSONL,
            {'my photo.jpg': ('cat',), 'b.jpg': ('cat', 'dog')},
        ),
        ('annotations.xml', CVAT, {'sub/a b.jpg': ('cat', 'dog'), 'c.jpg': ()}),
        (
            'project.json',
            json.dumps(LABEL_STUDIO),
            {
                'my photo.jpg': ('cat', 'dog', 'red fox'),
                'images/b.jpg': (),
                'c.jpg': (),
            },
        ),
        (
            'min.json',
            json.dumps(JSON_MIN),
            {'a.jpg': ('cat', 'dog'), 'b.jpg': ('dog',)},
        ),
        ('a.csv', 'image_id,label\na.jpg,cat\n', {'a.jpg': ('cat',)}),
        ('a.csv', ',filename,label\n0,a.jpg,cat\n', {'a.jpg': ('cat',)}),
        ('a.csv', 'Bild;cat;dog\na;1;0\n', {'a': ('cat',)}),
        ('a.csv', 'file,class_1,class_2\na,1,0\n', {'a': ('class_1',)}),
        ('a.csv', 'a.jpg;cat\nb.jpg;\n', {'a.jpg': ('cat',), 'b.jpg': ()}),
        ('a.csv', 'a, b.jpg;cat\n', {'a, b.jpg': ('cat',)}),
        ('a.tsv', 'a.jpg\tred fox\tcat\n', {'a.jpg': ('red fox', 'cat')}),
        ('a.csv', 'a.jpg,cat|dog\nb.jpg,"cat, dog"\nc.jpg,cat; dog\n', None),
        ('a.txt', 'a.jpg,cat\n', {'a.jpg': ('cat',)}),
        ('a.txt', 'a photo.1.jpg cat\n', {'a photo.1.jpg': ('cat',)}),
        ('a.txt', '"a b" dog\n', {'a b': ('dog',)}),
        ('a.json', '[["a", ["cat"]], ["b", "dog"]]', {'a': ('cat',), 'b': ('dog',)}),
        ('a.json', '[{"file_name": "a", "tags": "b|c"}]', {'a': ('b', 'c')}),
    ],
)  # fmt: skip
def test_forms(tmp_path, name, text, expected):
    found = read_labels(write(tmp_path / name, text))
    both = ('cat', 'dog')
    assert found == (expected or {'a.jpg': both, 'b.jpg': both, 'c.jpg': both})


def test_blanks_in_a_cell_part_only_known_classes(tmp_path):
    path = write(tmp_path / 'a.csv', 'a.jpg,cat dog\nb.jpg,red fox\n')
    assert read_labels(path, classes=('cat', 'dog', 'red fox')) == {
        'a.jpg': ('cat', 'dog'),
        'b.jpg': ('red fox',),
    }
    assert read_labels(path)['a.jpg'] == ('cat dog',)


@pytest.mark.parametrize(
    ('encoding', 'said'),
    [
        ('utf-8', None),
        ('utf-8-sig', None),
        ('utf-16', 'encoding utf-16'),
        ('cp1252', 'encoding Latin-1'),
    ],
)
@pytest.mark.parametrize('name', ['l.csv', 'l.txt', 'l.json', 'l.jsonl'])
def test_encodings(tmp_path, name, encoding, said):
    """Names with umlauts, dots and blanks in every list."""
    photo, label = 'Käfer 1.2.jpg', 'Büsche'
    entry = dict(name=photo, classes=[label])
    text = {
        'l.csv': f'{photo},{label}\n',
        'l.txt': f'{photo} {label}\n',
        'l.json': json.dumps({photo: [label]}, ensure_ascii=False),
        'l.jsonl': json.dumps(entry, ensure_ascii=False) + '\n',
    }[name]
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    table = read_table(str(path))
    assert table.labels == {photo: (label,)}
    assert [said in note for note in table.notes] == ([True] if said else [])


def test_decomposed_letters_are_composed(tmp_path):
    """As macOS writes names."""
    photo = unicodedata.normalize('NFD', 'Käfer.jpg')
    path = write(
        tmp_path / 'l.csv', f'{photo},{unicodedata.normalize("NFD", "Büsche")}\n'
    )
    assert read_labels(path) == {'Käfer.jpg': ('Büsche',)}


def test_several_lines_are_several_classes(tmp_path):
    table = read_table(write(tmp_path / 'l.txt', 'a cat\na dog\nb cat\na\n'))
    assert table.labels == {'a': ('cat', 'dog'), 'b': ('cat',)}
    assert (table.merged, table.bare) == (1, frozenset())
    table = read_table(write(tmp_path / 'm.csv', 'a.jpg,cat\na,cat\n'))
    assert (table.labels, table.merged) == ({'a.jpg': ('cat',)}, 1)


def test_nothing_said_and_nothing_there_are_two_things(tmp_path):
    table = read_table(write(tmp_path / 'l.csv', 'a.jpg,cat\nb.jpg,\nc.jpg\n'))
    assert table.bare == {'c.jpg'}
    table = read_table(write(tmp_path / 'l.json', '{"a": [], "b": null, "c": "x"}'))
    assert table.bare == {'b'}
    table = read_table(write(tmp_path / 'p.json', json.dumps(LABEL_STUDIO)))
    assert table.bare == {'c.jpg'}
    assert table.aliases == {'my photo.jpg': '1f2e3d4c-my photo.jpg'}
    assert read_table(write(tmp_path / 'c.xml', CVAT)).bare == {'c.jpg'}


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('l.csv', 'a.jpg,1,0\nb.jpg,0,1\n', 'columns 2 to 3 hold only 0 and 1: a'),
        ('l.csv', 'a.jpg,1\nb.jpg,0\n', 'column 2 holds only 0 and 1: a one-hot'),
        ('l.csv', 'a.jpg cat\nb.jpg dog\n', 'no separator'),
        ('l.csv', 'file,a,b\nx.jpg,1\n', '3 columns in its head row, 2 in that of'),
        ('l.csv', b'a\0.\0j\0', 'UTF-16 without a byte order mark'),
        ('l.csv', b'PK\x03\x04xl', 'an Excel sheet'),
        ('l.txt', 'version https://git-lfs.github.com/spec/v1\n', 'git-lfs pointer'),
        ('l.json', '<!DOCTYPE html><html>', 'is a web page'),
        ('l.json', '{"a": ["cat"], "a": ["dog"]}', "has the key 'a' twice"),
        ('l.json', '{"a": [0, 1]}', r'\[0, 1\] is not a list of class names'),
        ('l.jsonl', '{"file_name": "a", "label": 3}\n', 'line 1: 3 is not a list'),
        ('l.csv', 'a.jpg,cat\na,dog\n', 'one photo under two names'),
        ('l.csv', 'a.jpg,cat\na.png,cat\n', 'two pictures that would share one output'),
        ('l.csv', '../a.jpg,cat\n', r"'\.\.' leads out of the image folder"),
        ('l.csv', ',cat\n', 'without an image name'),
        ('l.xml', '<annotation><object/></annotation>', 'one VOC annotation'),
        ('l.xml', '<annotations><track/></annotations>', 'tracks of a video'),
    ],
)  # fmt: skip
def test_what_was_seen_is_said(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LabelError, match=message):
        read_labels(str(path))


def test_published_vectors(tmp_path):
    """``cls_labels.npy`` of the published methods, IRN's numbers, one-hot arrays."""
    one, two = np.array([1.0, 0.0]), np.array([0.0, 0.0])
    classes = ('cat', 'dog')
    np.save(tmp_path / 'names.npy', {'2007_000032': one, 'b': two}, allow_pickle=True)
    expected = {'2007_000032': ('cat',), 'b': ()}
    assert read_labels(str(tmp_path / 'names.npy'), classes=classes) == expected
    np.save(tmp_path / 'numbers.npy', {2007000032: one}, allow_pickle=True)
    table = read_table(str(tmp_path / 'numbers.npy'), known=Vocabulary(classes))
    assert table.labels == {'2007_000032': ('cat',)}
    assert len(table.notes) == 1
    np.save(tmp_path / 'rows.npy', np.stack([one, two]))
    with pytest.raises(LabelError, match=r'array \(2, 2\) without the names'):
        read_labels(str(tmp_path / 'rows.npy'), classes=classes)
    write(tmp_path / 'rows.txt', '2007_000032\nb\n')
    assert read_labels(str(tmp_path / 'rows.npy'), classes=classes) == expected
    np.savez(tmp_path / 'vectors.npz', **{'2007_000032': one, 'b': two})
    assert read_labels(str(tmp_path / 'vectors.npz'), classes=classes) == expected
    arrays = dict(names=['2007_000032', 'b'], labels=np.eye(3)[[0, 1]])
    np.savez(tmp_path / 'table.npz', classes=['cat', 'dog', 'fox'], **arrays)
    assert read_labels(str(tmp_path / 'table.npz'))['b'] == ('dog',)
    for classes, message in (
        (('cat',), r'array \(2,\), and there are 1 foreground'),
        ((), 'names of the classes are unknown'),
    ):
        with pytest.raises(LabelError, match=message):
            read_labels(str(tmp_path / 'names.npy'), classes=classes)
    np.save(tmp_path / 'soft.npy', {'a': np.array([0.5, 0])}, allow_pickle=True)
    with pytest.raises(LabelError, match='the values'):
        read_labels(str(tmp_path / 'soft.npy'), classes=('cat', 'dog'))


class Payload:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_code_never_runs(tmp_path):
    np.save(tmp_path / 'a.npy', {'a': Payload(tmp_path / 'ran')}, allow_pickle=True)
    with pytest.raises(LabelError, match='wants to run'):
        read_labels(str(tmp_path / 'a.npy'), classes=('cat',))
    assert not (tmp_path / 'ran').exists()


def test_absolute_names_below_the_folder(tmp_path):
    path = write(tmp_path / 'l.csv', f'{tmp_path}/images/x/a.jpg,cat\n')
    table = read_table(path, folder=str(tmp_path / 'images'))
    assert table.labels == {'x/a.jpg': ('cat',)}
    assert '1 absolute names were made relative' in table.notes[0]
    with pytest.raises(LabelError, match='does not lie below the image folder'):
        read_table(path, folder=str(tmp_path / 'other'))
    path = write(tmp_path / 'w.csv', 'x\\a.jpg,cat\n./b.jpg,cat\n')
    assert set(read_labels(path)) == {'x/a.jpg', 'b.jpg'}


def test_what_class_folders_leave_out_is_counted(tmp_path):
    names = (
        'cat/1.jpg',
        'cat/2.gif',
        'cat/3.heic',
        '4.jpg',
        'cat/.DS_Store',
        'cat/n.md',
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    table = read_table(str(tmp_path))
    assert set(table.labels) == {'cat/1.jpg', 'cat/2.gif'}
    assert {suffix: n for (suffix, _), n in table.left_out.items()} == {
        '.heic': 1, '.jpg': 1, '.md': 1,
    }  # fmt: skip
    assert '3 files are left out: ' in table.remarks()[0]
    (tmp_path / 'lone').mkdir()
    write(tmp_path / 'lone' / 'metadata.jsonl', JSONL)
    with pytest.raises(LabelError, match=r"give ann_file='.*metadata\.jsonl'"):
        read_labels(str(tmp_path / 'lone'))


def test_one_photo_in_two_class_folders(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (8, 9, 3), dtype=np.uint8)
    for folder in ('cat', 'dog'):
        (tmp_path / folder).mkdir()
        Image.fromarray(noise).save(tmp_path / folder / 'a.bmp')
    with pytest.raises(
        LabelError, match=r'one photo in two .* cat/a\.bmp and dog/a\.bmp'
    ):
        read_labels(str(tmp_path))
    Image.fromarray(255 - noise).save(tmp_path / 'dog' / 'a.bmp')  # of the same size
    assert len(read_labels(str(tmp_path))) == 2
    for folder in ('cat', 'dog'):  # blank tiles are equal, and no photo
        Image.fromarray(0 * noise).save(tmp_path / folder / 'a.bmp')
    assert len(read_labels(str(tmp_path))) == 2


def test_lists_of_names(tmp_path):
    path = write(tmp_path / 'l.txt', '\ufeffmy photo.jpg\na b\n./c.jpg 1\n')
    assert read_names(path, known={'a b'}) == ['my photo.jpg', 'a b', 'c.jpg']


def test_a_reader_of_another_package(tmp_path):
    """Registered by being imported; ``auto`` asks it too."""

    class Lines(LabelReader):
        def fits(self, source):
            return source.suffix == '.lines'

        def read(self, source, known):
            return [(line, ('cat',)) for line in source.text.split()]

    LABEL_READERS.register_module(name='lines', module=Lines)
    try:
        assert read_labels(write(tmp_path / 'a.lines', 'x')) == {'x': ('cat',)}
    finally:
        del LABEL_READERS.module_dict['lines']
