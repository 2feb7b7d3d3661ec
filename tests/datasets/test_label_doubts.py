# Licensed under Apache-2.0.
"""Labels and tables that could mean something else than classes are refused."""

from __future__ import annotations

from collections import Counter

import pytest

from mmwsss.datasets.image_names import label_name
from mmwsss.datasets.label_channels import foreground_classes
from mmwsss.datasets.readers.reading import read_labels, read_table
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.io.image_files import like_it


@pytest.mark.parametrize(
    ('labels', 'said'),
    [
        ('0 1 1', r"only '0' \(1 pictures\), '1' \(2 pictures\).*negatives=\('0',\)"),
        ('-1 1', r"negatives=\('-1',\)"),
        ('0 cat', r"sound as if they meant \"no object\": '0'"),
        ('ok NOK', r"'ok' \(1 pictures\).*negatives=\('ok',\)"),
        ('non_defect defect', "'non_defect'"),
        ('Defect-Free defect', "'Defect-Free'"),
        ('cat+dog cat dog', r"several classes in one: 'cat\+dog'.*Write 'cat\|dog'"),
    ],
)
def test_labels_in_doubt_are_refused(labels, said) -> None:
    with pytest.raises(UserError, match=said):
        foreground_classes(Counter(labels.split()))


@pytest.mark.parametrize(
    'several', ['horse person', 'horse & person', 'horse and person']
)
def test_several_classes_in_one(several) -> None:
    with pytest.raises(UserError, match="beside 'horse' and"):
        foreground_classes(Counter(('horse', 'person', 'and', several)))


@pytest.mark.parametrize(
    'labels', ['0 1 2', '1 2', 'ok', 'cat', 'note te', 'hot_dog dog']
)
def test_labels_that_are_classes(labels) -> None:
    assert set(foreground_classes(Counter(labels.split()))) == set(labels.split())


def test_who_says_what_means_no_object_is_believed() -> None:
    counts = Counter(('0', '1', 'ok', 'dent'))
    assert foreground_classes(counts, ('0', '1')) == ('dent', 'ok')
    assert foreground_classes(Counter(('0', '1')), ('0',)) == ('1',)


def test_blanks_that_nobody_sees() -> None:
    assert label_name('red\u00a0 fox\u200b') == label_name(' red  fox') == 'red fox'
    assert label_name('Ba\u0308r') == 'Bär' and label_name('cat') == 'cat'


@pytest.mark.parametrize('yes_no', ['WAHR FALSCH', 'VRAI FAUX', 'Sí no', 'ИСТИНА ЛОЖЬ'])
def test_one_hot_in_other_languages(tmp_path, yes_no) -> None:
    yes, no = yes_no.split()
    file = tmp_path / 'l.csv'
    file.write_text(f'image;cat;dog\na.jpg;{yes};{no}\nb.jpg;{no};{no}\n')
    assert read_labels(str(file)) == {'a.jpg': ('cat',), 'b.jpg': ()}


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        (
            'image,cat,dog\na.jpg,da,weg\nb.jpg,weg,da\n',
            "only 'da' and 'weg' in its col",
        ),
        ('image,cat,is_train\na.jpg,1,1\nb.jpg,0,1\n', "column 'is_train' of 0 and 1"),
        ('image,Validation,cat\na.jpg,1,1\nb.jpg,0,1\n', "column 'Validation' of 0"),
        (
            'cat,1,2,a.jpg\ndog,1,2,b.jpg\n',
            'pictures in its column 4, not in the first',
        ),
    ],
)
def test_tables_in_doubt_are_refused(tmp_path, text, said) -> None:
    file = tmp_path / 'l.csv'
    file.write_text(text)
    with pytest.raises(LabelError, match=said):
        read_labels(str(file))


def test_two_columns_of_labels_are_no_one_hot_table(tmp_path) -> None:
    file = tmp_path / 'l.csv'
    file.write_text('image,label_1,label_2\na.jpg,cat,dog\nb.jpg,dog,cat\n')
    assert read_labels(str(file))['a.jpg'] == ('cat', 'dog')


def test_a_class_may_be_called_as_a_split(tmp_path) -> None:
    file = tmp_path / 'l.csv'
    file.write_text('image,cat,test\na.jpg,1,0\nb.jpg,0,1\n')
    assert read_labels(str(file), classes=('cat', 'test'))['b.jpg'] == ('test',)


def test_a_column_that_parts_the_pictures_is_told(tmp_path) -> None:
    file = tmp_path / 'l.csv'
    file.write_text('image,label,split\na.jpg,cat,train\nb.jpg,dog,val\n')
    assert "'split' may part the pictures" in ' '.join(read_table(str(file)).notes)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('via.csv', 'filename,file_size,region_shape_attributes\na.jpg,1,"{}"\n'),
        ('via.json', '{"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": []}}'),
        ('project.json', '{"_via_settings": {}, "_via_img_metadata": {}}'),
    ],
)
def test_files_of_via_are_called_by_their_name(tmp_path, name, text) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match='is a file of VIA'):
        read_labels(str(tmp_path / name))


def test_zeros_that_a_spreadsheet_took_off(tmp_path) -> None:
    (tmp_path / '000123.jpg').touch()
    assert like_it(str(tmp_path / '123.jpg')) == str(tmp_path / '000123.jpg')
    assert like_it(str(tmp_path / '124.jpg')) == ''
