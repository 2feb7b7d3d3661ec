# Licensed under Apache-2.0.
"""No label, no object and not found are three things."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets import FolderWeakDataset
from mmwsss.io.data_errors import LabelError, UnreadableImageError
from mmwsss.io.errors import UserError

CLASSES = ('background', 'cat', 'dog')


def draw(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(root / name)


def found(root, ann_file='train', classes=CLASSES, **kwargs):
    """Channels, and whether they are known, by image."""
    dataset = FolderWeakDataset(
        ann_file, data_root=str(root), metainfo=dict(classes=classes), **kwargs
    )
    infos = map(dataset.get_data_info, range(len(dataset)))
    return {i['img_id']: (i['gt_labels'], i['labels_known']) for i in infos}


@pytest.mark.parametrize('name', ['good', 'Normal', 'background', 'no object'])
def test_folders_of_negatives(tmp_path, name):
    draw(tmp_path, f'train/{name}/1.png', 'train/cat/2.png')
    assert found(tmp_path) == {f'{name}/1': ((), True), 'cat/2': ((0,), True)}


def test_a_class_of_that_name_is_a_class(tmp_path):
    draw(tmp_path, 'train/good/1.png', 'train/cat/2.png')
    classes = ('background', 'good', 'cat')
    assert found(tmp_path, classes=classes)['good/1'] == ((0,), True)
    with pytest.raises(UserError, match="names 'good', which is a class"):
        found(tmp_path, classes=classes, negatives=('good',))


def test_negatives_by_name(tmp_path):
    """What nobody knows is offered as a negative before it is offered as a class."""
    draw(tmp_path, 'train/ok/1.png', 'train/cat/2.png')
    with pytest.raises(
        LabelError, match=r"'ok'.*negatives=\('ok',\).*metainfo\.classes"
    ):
        found(tmp_path)
    assert found(tmp_path, negatives=('ok',))['ok/1'] == ((), True)


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('l.csv', 'a.png,cat\nb.png,\n'),
        ('l.csv', 'a.png,cat background\nb.png,background\n'),
        ('l.txt', 'a cat\nb background\n'),
        ('l.json', '{"a": ["cat"], "b": []}'),
        ('l.csv', 'image,cat,dog\na.png,1,0\nb.png,0,0\n'),
    ],
)
def test_negatives_in_files(tmp_path, name, text):
    draw(tmp_path, 'images/a.png', 'images/b.png')
    (tmp_path / name).write_text(text)
    assert found(tmp_path, name) == {'a': ((0,), True), 'b': ((), True)}


def test_a_name_alone_says_nothing(tmp_path):
    draw(tmp_path, 'images/a.png', 'images/b.png')
    (tmp_path / 'l.txt').write_text('a cat\nb\n')
    message = r"no class for 1 of 2 .*first: b.*'background', or all .*allow_unlabelled"
    with pytest.raises(LabelError, match=message):
        found(tmp_path, 'l.txt')
    assert found(tmp_path, 'l.txt', allow_unlabelled=True)['b'] == ((), True)
    settings = dict(test_mode=True, with_masks=False)
    assert found(tmp_path, 'l.txt', **settings)['b'] == ((), False)
    (tmp_path / 'l.txt').write_text('a\nb\n')  # a list, no labels at all
    for more in (settings, dict(allow_unlabelled=True)):
        assert set(found(tmp_path, 'l.txt', **more).values()) == {((), False)}


def test_a_picture_that_the_labels_do_not_know(tmp_path):
    draw(tmp_path, 'images/a.png', 'images/b.png')
    (tmp_path / 'l.csv').write_text('a.png,\n')
    (tmp_path / 'all.txt').write_text('a\nb\n')
    (tmp_path / 'l.csv').write_text('a.png,cat\n')
    with pytest.raises(LabelError, match='no labels for 1 of 2 .*first: b'):
        found(tmp_path, 'l.csv', split_file='all.txt')
    labels = found(tmp_path, 'l.csv', split_file='all.txt', allow_unlabelled=True)
    assert labels == {'a': ((0,), True), 'b': ((), False)}


def test_a_negative_beside_a_class_is_a_contradiction(tmp_path):
    draw(tmp_path, 'images/a.png')
    (tmp_path / 'l.csv').write_text('a.png,cat,good\n')
    with pytest.raises(LabelError, match=r"'cat' and 'good', which means .* no object"):
        found(tmp_path, 'l.csv')


def test_two_pictures_for_one_name(tmp_path):
    draw(tmp_path, 'images/a.png', 'images/a.bmp')
    (tmp_path / 'l.txt').write_text('a cat\n')
    with pytest.raises(LabelError, match=r'a\.png and a\.bmp for one name'):
        found(tmp_path, 'l.txt')
    (tmp_path / 'l.txt').write_text('a.png cat\n')
    assert set(found(tmp_path, 'l.txt')) == {'a'}
    draw(tmp_path, 'train/cat/a.png', 'train/cat/a.bmp')
    with pytest.raises(LabelError, match='two pictures that would share one output'):
        found(tmp_path)


def test_names_in_decomposed_letters_are_found(tmp_path):
    """Label file in composed letters, folders and files as macOS unpacks them."""
    name = unicodedata.normalize('NFD', 'Käfer')
    draw(
        tmp_path, f'images/{name}/ä.png'.replace('ä', unicodedata.normalize('NFD', 'ä'))
    )
    (tmp_path / 'l.csv').write_text('Käfer/ä.png,cat\n')
    assert found(tmp_path, 'l.csv') == {'Käfer/ä': ((0,), True)}


def test_an_uploaded_name_is_tried_too(tmp_path):
    """Label Studio puts a number before names; either picture may be there."""
    text = (
        '[{"data": {"image": "/data/upload/1/1f2e3d4c-a.png"}, "annotations": '
        '[{"result": [{"type": "choices", "value": {"choices": ["cat"]}}]}]}]'
    )
    (tmp_path / 'l.json').write_text(text)
    draw(tmp_path, 'images/1f2e3d4c-a.png')
    assert found(tmp_path, 'l.json') == {'a': ((0,), True)}
    (tmp_path / 'images' / '1f2e3d4c-a.png').unlink()
    with pytest.raises(UnreadableImageError, match=r'a\.png'):
        found(tmp_path, 'l.json')


def test_pictures_beside_the_label_file(tmp_path):
    draw(tmp_path, 'train/a.png')
    (tmp_path / 'train' / 'metadata.jsonl').write_text(
        '{"file_name": "a.png", "label": "dog"}\n'
    )
    assert found(tmp_path, 'train/metadata.jsonl') == {'a': ((1,), True)}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a 1\n', 'only 0 and 1'),
        ('a 7\n', 'only numbers'),
        ('a Cat\n', "did you mean 'cat'"),
        ('a cat;dog\n', 'is its separator another one'),
    ],
)
def test_unknown_classes_are_described(tmp_path, text, message):
    draw(tmp_path, 'images/a.png')
    (tmp_path / 'l.txt').write_text(text)
    with pytest.raises(LabelError, match=message):
        found(tmp_path, 'l.txt')
