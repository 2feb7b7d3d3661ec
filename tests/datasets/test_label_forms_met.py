# Licensed under Apache-2.0.
"""Label files as spreadsheets and labelling tools write them, and folders of users."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import FolderWeakDataset
from mmwsss.datasets.label_channels import LabelChannels
from mmwsss.datasets.readers.label_table import LabelTable
from mmwsss.datasets.readers.reading import read_names, read_table
from mmwsss.datasets.readers.vocabulary import Vocabulary
from mmwsss.io.data_errors import LabelError, UnreadableImageError

KNOWN = Vocabulary(('cat', 'dog'))


def labels(tmp_path, name: str, content: str | bytes, known=KNOWN) -> dict:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(str(file), 'auto', known).labels


def draw(root, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(root / name)


TWO = {'a.jpg': ('cat',), 'b.jpg': ('dog',)}


@pytest.mark.parametrize(
    'text',
    [
        'label,image\ncat,a.jpg\ndog,b.jpg\n',
        'cat,dog,filename\n1,0,a.jpg\n0,1,b.jpg\n',
        ',filename,cat,dog\n0,a.jpg,1,0\n1,b.jpg,0,1\n',
        'id,image,label\n7,a.jpg,cat\n8,b.jpg,dog\n',
        'filename,cat,dog,,\na.jpg,1,0,,\nb.jpg,0,1,,\n',
        'filename,cat,dog,width\na.jpg,1,0,640\nb.jpg,0,1,640\n',
        'filename,cat,dog\na.jpg,yes,no\nb.jpg,no,yes\n',
        'filename,cat,dog\na.jpg,x,\nb.jpg,,x\n',
        'filename,cat,dog\na.jpg,1,-1\nb.jpg,-1,1\n',
        'sep=;\r\nimage;label\r\na.jpg;cat\r\nb.jpg;dog\r\n',
        'image,label\na.jpg,"[\'cat\']"\nb.jpg,"[""dog""]"\n',
    ],
)
def test_tables(tmp_path, text) -> None:
    assert labels(tmp_path, 'labels.csv', text) == TWO


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('filename,cat,dog\na.jpg,-1,0\nb.jpg,0,1\n', "-1 too, first for 'cat'"),
        ('filename,cat,dog\na.jpg,,0\nb.jpg,0,1\n', 'empty cells too'),
        ('filename,cat,dog\na.jpg,0.7,0\nb.jpg,0,1\n', "'cat' of numbers as 0.7"),
        ('filename,cat,dog,cat\na.jpg,1,0,0\nb.jpg,0,1,1\n', "2 columns 'cat'"),
        ('filename,a,width\na.jpg,1,640\nb.jpg,0,640\n', "'width' of numbers as 640"),
        ('image,label\na.jpg,"cat\nb.jpg,dog\n', 'a quote that is not closed'),
    ],
)
def test_tables_that_could_mean_two_things_are_refused(tmp_path, text, said) -> None:
    with pytest.raises(LabelError, match=said):
        labels(tmp_path, 'labels.csv', text)


SPELLED = LabelChannels(('background', 'car', 'traffic light', 'k\u00e4se')).vocabulary


@pytest.mark.parametrize(
    ('head', 'found'),
    [
        ('traffic_light', 'traffic_light'),
        ('traffic light', 'traffic light'),
        ('ka\u0308se', 'k\u00e4se'),
        ('Traffic Light', 'Traffic Light'),
    ],
)
@pytest.mark.parametrize('known', [SPELLED, Vocabulary(SPELLED.classes)])
def test_columns_of_classes_in_another_spelling(tmp_path, head, found, known) -> None:
    """Passed over, their pictures would be negatives."""
    text = f'filename,car,{head},width\na.jpg,1,0,640\nb.jpg,0,1,640\nc.jpg,0,0,640\n'
    (tmp_path / 'l.csv').write_text(text, encoding='utf-8')
    table = read_table(str(tmp_path / 'l.csv'), known=known)
    assert table.labels == {'a.jpg': ('car',), 'b.jpg': (found,), 'c.jpg': ()}
    assert table.notes == ("the columns ['width'] are passed over",)


def test_a_column_in_other_capitals_is_refused_with_a_hint(tmp_path) -> None:
    draw(tmp_path, 'images/a.jpg', 'images/b.jpg')
    (tmp_path / 'l.csv').write_text('filename,cat,Dog\na.jpg,1,0\nb.jpg,0,1\n')
    classes = dict(classes=('background', 'cat', 'dog'))
    with pytest.raises(LabelError, match=r"'Dog' \(did you mean 'dog'\?\)"):
        FolderWeakDataset(
            'l.csv', data_root=str(tmp_path), metainfo=classes
        ).full_init()


def test_columns_of_classes_that_were_left_out(tmp_path) -> None:
    """Pictures of them are left out, not negatives; words in a column are none."""
    channels = LabelChannels(('background', 'cat'), ('background', 'cat', 'dog'))
    text = 'filename,cat,dog,background\na.jpg,1,0,wood\nb.jpg,0,1,road\n'
    (tmp_path / 'l.csv').write_text(text)
    table = read_table(str(tmp_path / 'l.csv'), known=channels.vocabulary)
    assert table.labels == TWO
    assert channels.find('b.jpg', table.labels['b.jpg'], table) is None
    assert table.notes == ("the columns ['background'] are passed over",)


def test_columns_of_which_none_is_a_class_all_count(tmp_path) -> None:
    found = labels(
        tmp_path,
        'l.csv',
        'filename,good,bad\na.jpg,1,0\nb.jpg,0,1\n',
        (LabelChannels(('background', 'cat')).vocabulary),
    )
    assert found == {'a.jpg': ('good',), 'b.jpg': ('bad',)}


@pytest.mark.parametrize('filler', ['nan', 'NaN', 'N/A', '-', '?', 'None'])
def test_what_programs_write_for_nothing_is_no_class(tmp_path, filler) -> None:
    (tmp_path / 'l.csv').write_text(f'image,label\na.jpg,cat\nb.jpg,{filler}\n')
    table = read_table(str(tmp_path / 'l.csv'))
    assert table.labels == {'a.jpg': ('cat',), 'b.jpg': ()}
    assert table.bare == {'b.jpg'}
    with pytest.raises(LabelError, match=re.escape(f"'{filler}' (1)")):
        table.unknown(False, False)
    chosen = Vocabulary(others=frozenset({filler.casefold()}))
    assert read_table(str(tmp_path / 'l.csv'), known=chosen).bare == set()


def test_only_fillers_are_told_beside_a_picture_without_a_label() -> None:
    """Whatever the words of a note are, and of a table that was made otherwise."""
    table = LabelTable('l.csv', dict(a=('cat',), b=()), frozenset('b'))
    noted = replace(table, notes=('labels that are odd',))
    for one, first in (
        (noted, r'\(first: b\)'),
        (
            replace(noted, fillers=Counter(nan=2)),
            r"\(first: b; labels that .* 'nan' \(2\)\)",
        ),
    ):
        with pytest.raises(LabelError, match=first):
            one.unknown(False, False)
    said = replace(noted, fillers=Counter(nan=2)).remarks()
    assert said == [
        'labels that are odd',
        "labels that say nothing of a class: 'nan' (2)",
    ]


LS = 'image,id,choice,annotator,annotation_id,created_at,updated_at,lead_time\n'


def test_label_studio_csv(tmp_path) -> None:
    rows = (
        '/data/upload/1/0a1b2c3d-a.jpg,1,"{""choices"":[""cat"",""dog""]}",1,1,x,x,2.1\n'
        '/data/upload/1/0a1b2c3d-b.jpg,2,dog,1,2,x,x,2.1\n'
        '/data/upload/1/0a1b2c3d-c.jpg,3,,1,3,x,x,2.1\n'
    )
    (tmp_path / 'p.csv').write_text(LS + rows)
    table = read_table(str(tmp_path / 'p.csv'))
    assert table.labels == {'a.jpg': ('cat', 'dog'), 'b.jpg': ('dog',), 'c.jpg': ()}
    assert table.bare == {'c.jpg'} and table.aliases['a.jpg'] == '0a1b2c3d-a.jpg'


@pytest.mark.parametrize(
    ('cells', 'label'),
    [
        (dict(annotator='me@x.com', created_at='2024-01-01T00:00:00.1Z'), 'cat'),
        (dict(choice='St. Bernard'), 'St. Bernard'),
        (dict(choice='cat/dog'), 'cat/dog'),
    ],
)
@pytest.mark.parametrize(
    'url', ['/data/upload/1/0a1b2c3d-a.jpg', 'https://x.org/a.jpg']
)
def test_the_field_of_the_picture_in_label_studio(tmp_path, cells, label, url) -> None:
    """In alphabetical order other texts with a dot come first."""
    task = dict(
        annotation_id='1', annotator='1', choice='cat', created_at='x', id='7.1',
        img=url, lead_time='2.5', updated_at='1.1',
    ) | cells  # fmt: skip
    names = {'a.jpg': (label,)}
    table = f'{",".join(task)}\n{",".join(task.values())}\n'
    assert labels(tmp_path, 'p.csv', table) == names
    assert labels(tmp_path, 'p.json', json.dumps([task])) == names


def test_labelme_files_beside_their_pictures(tmp_path) -> None:
    draw(tmp_path, 'a.jpg', 'b.jpg', 'c.jpg')
    for name, shapes, flags in (
        ('a', ['cat', 'dog', 'cat'], {}),
        ('b', [], {'dog': True, 'cat': False}),
        ('c', [], {}),
    ):
        content = dict(
            version='5.4', flags=flags, imagePath=f'..\\photos\\{name}.jpg',
            shapes=[dict(label=label, points=[[1, 1], [5, 5]]) for label in shapes],
        )  # fmt: skip
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    (tmp_path / 'notes.json').write_text('{"made": "by hand"}')
    table = read_table(str(tmp_path))
    assert table.labels == {'a.jpg': ('cat', 'dog'), 'b.jpg': ('dog',), 'c.jpg': ()}
    assert not table.bare and sum(table.left_out.values()) == 1


def test_what_labelme_ignores_is_no_label(tmp_path) -> None:
    """A picture of which nothing else is said isn't one without an object."""
    for name, shapes in (
        ('a', ['cat', '__ignore__']),
        ('b', ['__ignore__']),
        ('c', []),
    ):
        shapes = [dict(label=label, points=[]) for label in shapes]
        content = dict(imagePath=f'{name}.jpg', shapes=shapes)
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    table = read_table(str(tmp_path))
    assert table.labels == {'a.jpg': ('cat',), 'b.jpg': (), 'c.jpg': ()}
    assert table.bare == {'b.jpg'}


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(imagePath=None), r'a\.json is no LabelMe file .*NoneType'),
        (dict(shapes=[dict(label=None)]), r"has None for a name .*'a\.jpg', None"),
        (
            dict(shapes=[dict(points=[])]),
            r"a\.json is no LabelMe file \(KeyError\('label",
        ),
        (dict(shapes=[7]), r'a\.json is no file of LabelMe'),
        (dict(shapes=None), r'a\.json is no file of LabelMe'),
    ],
)
def test_labelme_files_without_names(tmp_path, changed, said) -> None:
    content = dict(imagePath='a.jpg', shapes=[]) | changed
    (tmp_path / 'a.json').write_text(json.dumps(content))
    with pytest.raises(LabelError, match=said):
        read_table(str(tmp_path))


COCO = dict(
    images=[dict(id=1, file_name='a.jpg')],
    categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
)


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (dict(annotations=[dict(image_id=1, category_id=7)]), 'of category 7'),
        (dict(annotations=[dict(image_id=9, category_id=1)]), 'of image 9'),
        (
            dict(annotations=[], categories=[dict(id=1, name=n) for n in 'xy']),
            'the id 1 to two of its categories',
        ),
        (
            dict(
                annotations=[dict(image_id=1, category_id=1)],
                categories=[dict(id=1, name=7)],
            ),
            r"has 7 for a name of a picture or class, in \['a\.jpg', 7\]",
        ),
        (dict(annotations=[], images=[dict(id=1, file_name=5)]), 'has 5 for a name'),
    ],
)
def test_coco_files_that_were_put_together(tmp_path, changed, said) -> None:
    with pytest.raises(LabelError, match=said):
        labels(tmp_path, 'coco.json', json.dumps(COCO | changed))


@pytest.mark.parametrize(
    ('name', 'content', 'said'),
    [
        ('train.parquet', b'PAR1\1\2', 'Parquet'),
        ('labels.pkl', b'\x80\4\x95\1', 'pickle'),
        ('labels.csv.gz', b'\x1f\x8b\x08\1', 'gzip'),
        ('labels.xls', b'\xd0\xcf\x11\xe0\xa1\xb1', 'Excel'),
        ('data.yaml', b'nc: 2\nnames: [cat, dog]\n', 'YAML'),
        ('a.csv', b'\x89PNG\r\n\x1a\n', 'a picture'),
    ],
)
def test_files_that_hold_no_labels_have_a_name(tmp_path, name, content, said) -> None:
    with pytest.raises(LabelError, match=said):
        labels(tmp_path, name, content)


def test_a_picture_may_begin_with_the_sign_of_a_remark(tmp_path) -> None:
    text = '# pictures\n#1.jpg cat\n#old\na.jpg dog\n'
    found = {'#1.jpg': ('cat',), 'a.jpg': ('dog',)}
    assert labels(tmp_path, 'l.txt', text) == found
    assert (
        labels(tmp_path, 'l.csv', text.replace(' cat', ',cat').replace(' dog', ',dog'))
        == found
    )
    assert read_names(str(tmp_path / 'l.txt')) == list(found)


def test_an_empty_list_is_refused(tmp_path) -> None:
    (tmp_path / 'train.txt').write_text('\n')
    with pytest.raises(LabelError, match='names no image'):
        read_names(str(tmp_path / 'train.txt'))


@pytest.mark.parametrize('path', ['C:\\data\\a.jpg', 'https://x.org/data/a.jpg'])
def test_names_of_another_machine(tmp_path, path) -> None:
    (tmp_path / 'l.csv').write_text(f'image,label\n{path},cat\n')
    begin = path.replace('\\', '/').removesuffix('a.jpg')
    with pytest.raises(LabelError, match=f"take '{begin}', or a part of it, off"):
        read_table(str(tmp_path / 'l.csv'), folder=str(tmp_path))


@pytest.mark.parametrize('name', ['img_1.jpg', 'IMG_1.png', 'images/IMG_1.JPG'])
def test_a_missing_picture_names_the_one_that_is_meant(tmp_path, name) -> None:
    draw(tmp_path, 'images/IMG_1.jpg')
    (tmp_path / 'images/IMG_1.jpg').rename(tmp_path / 'images/IMG_1.JPG')
    (tmp_path / 'l.csv').write_text(f'image,label\n{name},cat\n')
    data = dict(data_root=str(tmp_path), metainfo=dict(classes=('background', 'cat')))
    with pytest.raises(UnreadableImageError, match='there is .*/images/IMG_1.JPG'):
        FolderWeakDataset('l.csv', **data).full_init()


def test_what_systems_leave_is_no_data(tmp_path) -> None:
    draw(tmp_path, 'cat/1.jpg', 'dog/2.jpg', 'cat/@eaDir/1.jpg', '$RECYCLE.BIN/3.jpg')
    draw(tmp_path, '.Trash-1000/4.jpg', 'cat/.ipynb_checkpoints/1-checkpoint.jpg')
    for name in ('__MACOSX/cat/._1.jpg', 'cat/._1.jpg', 'cat/Thumbs.db', '.DS_Store'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'\0\5\x16\7 Mac OS X')
    table = read_table(str(tmp_path))
    assert table.labels == {'cat/1.jpg': ('cat',), 'dog/2.jpg': ('dog',)}
    assert not table.left_out


def test_links_upwards_end(tmp_path) -> None:
    draw(tmp_path / 'in', 'cat/1.jpg', 'dog/2.jpg')
    draw(tmp_path / 'elsewhere', '3.jpg')
    os.symlink(tmp_path / 'in', tmp_path / 'in/cat/loop')
    os.symlink(tmp_path / 'elsewhere', tmp_path / 'in/bird')
    os.symlink(tmp_path / 'in/bird', tmp_path / 'elsewhere/again')
    table = read_table(str(tmp_path / 'in'))
    assert sorted(table.labels) == ['bird/3.jpg', 'cat/1.jpg', 'dog/2.jpg']
    why = 'a link to a folder above it'
    assert set(table.left_out) == {('loop', why), ('again', why)}


def test_images_and_masks_are_no_classes(tmp_path) -> None:
    draw(tmp_path, 'images/1.jpg', 'masks/1.png')
    with pytest.raises(LabelError, match=r"\['images', 'masks'\], which say of what"):
        read_table(str(tmp_path))
    known = Vocabulary(('images', 'masks'))  # a user's own words
    assert len(read_table(str(tmp_path), known=known).labels) == 2


def test_a_name_that_is_not_in_utf_8_is_named(tmp_path) -> None:
    draw(tmp_path, 'cat/1.jpg', 'dog/2.jpg')
    try:
        os.rename(tmp_path / 'dog/2.jpg', os.fsencode(tmp_path / 'dog') + b'/\xe4.jpg')
    except OSError:
        pytest.skip('this file system has names of UTF-8 alone')
    with pytest.raises(LabelError, match=r'\\xe4.jpg.*convmv'):
        read_table(str(tmp_path))


KACHELN = (
    'Kachel;Datum;Klassen\na.jpg;2024;cat\nb.jpg;2024;dog\n',
    '[{"Kachel": "a.jpg", "Klassen": "cat"}, {"Kachel": "b.jpg", "Klassen": "dog"}]',
)


@pytest.mark.parametrize('text', KACHELN)
def test_a_config_may_say_what_columns_are_called(tmp_path, text) -> None:
    """As the option of folder.py; the refusal without it names the entry."""
    draw(tmp_path, 'images/a.jpg', 'images/b.jpg')
    (tmp_path / 'labels.txt').write_text(text)
    wanted = dict(image='Kachel', label='Klassen')
    cfg = dict(
        ann_file='labels.txt',
        data_root=str(tmp_path),
        metainfo=dict(classes=('background', 'cat', 'dog')),
    )
    found = FolderWeakDataset(**cfg, columns=wanted)
    assert [found[i]['gt_labels'] for i in range(2)] == [(0,), (1,)]
    with pytest.raises(LabelError, match=r'columns=dict\(image=.*of the data set'):
        FolderWeakDataset(**cfg)
    with pytest.raises(LabelError, match=r"no column 'Bild'.*columns of the data set"):
        FolderWeakDataset(**cfg, columns=dict(image='Bild', label=['Klassen']))
    with pytest.raises(ValueError, match=r"columns=dict.* 'labels'"):
        FolderWeakDataset(**cfg, columns=dict(image='Kachel', labels='Klassen'))
