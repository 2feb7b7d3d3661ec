# Licensed under Apache-2.0.
"""What a user's folder is taken to hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmwsss.datasets.own.found_parts import Part, find_parts, given_lists, named_path
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError


def touch(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def test_class_folders(tmp_path) -> None:
    root = touch(tmp_path, 'good/1.png', 'bad/1.png')
    assert find_parts([root]) == [Part(root, root)]


def test_label_file_with_and_without_a_folder_images(tmp_path) -> None:
    root = touch(tmp_path, 'labels.csv', '1.png')
    assert find_parts([root]) == [Part(f'{root}/labels.csv', root)]
    (tmp_path / 'images').mkdir()
    assert find_parts([root]) == [Part(f'{root}/labels.csv', f'{root}/images')]
    named = find_parts([f'{root}/labels.csv'], {None: 'photos'})
    assert named == [Part(f'{root}/labels.csv', 'photos')]


def test_split_folders(tmp_path) -> None:
    root = touch(
        tmp_path, 'train/_classes.csv', 'valid/_classes.csv', 'test/_classes.csv'
    )
    assert [(p.split, p.labels, p.images) for p in find_parts([root])] == [
        (split, f'{root}/{name}/_classes.csv', f'{root}/{name}')
        for split, name in (('train', 'train'), ('val', 'valid'), ('test', 'test'))
    ]
    assert find_parts([root])[1].prefix == 'val/'


@pytest.mark.parametrize('second', ['validation', 'VALID'])
def test_two_folders_of_one_split(tmp_path, second) -> None:
    """Unless there is none for training: they may then be classes."""
    root = touch(tmp_path, 'val/c/1.png', f'{second}/c/2.png')
    assert find_parts([root]) == [Part(root, root)]
    touch(tmp_path, 'train/c/1.png')
    with pytest.raises(UserError, match=f"val.* and .*{second}.* of the split 'val'"):
        find_parts([root])


@pytest.mark.parametrize('second', ['splits/train.txt', 'training.txt'])
def test_two_lists_of_one_split(tmp_path, second) -> None:
    root = touch(tmp_path, 'train.txt', second)
    with pytest.raises(UserError, match="are both of the split 'train'"):
        given_lists(root)


def test_a_class_called_test_is_no_split(tmp_path) -> None:
    root = touch(tmp_path, 'test/1.png', 'other/1.png')
    assert find_parts([root]) == [Part(root, root)]


def test_several_sources(tmp_path) -> None:
    root = touch(tmp_path, 'a.json', 'b.json')
    parts = find_parts(
        [f'train={root}/a.json', f'val={root}/b.json'], {'train': 'x', 'val': 'y'}
    )
    assert [(p.split, p.images) for p in parts] == [('train', 'x'), ('val', 'y')]
    with pytest.raises(UserError, match='which split they are'):
        find_parts([f'{root}/a.json', f'{root}/b.json'])
    with pytest.raises(UserError, match="names the split 'tune'"):
        named_path('tune=b.json')


def test_a_path_with_a_sign_of_equality(tmp_path) -> None:
    path = touch(tmp_path / 'a=b', 'c/1.png')
    assert named_path(path) == (None, path)


def test_xml_of_voc(tmp_path) -> None:
    root = touch(tmp_path, 'Annotations/1.xml', 'JPEGImages/1.jpg')
    source = f'{root}/Annotations'
    assert find_parts([source]) == [Part(source, f'{root}/JPEGImages')]


def test_lists_of_splits(tmp_path) -> None:
    root = touch(tmp_path, 'splits/train.txt', 'splits/val.txt')
    assert given_lists(root) == dict(
        train=f'{root}/splits/train.txt', val=f'{root}/splits/val.txt'
    )
    assert given_lists(touch(tmp_path / 'other', 'val.txt')) == {}


def test_refused(tmp_path) -> None:
    root = touch(tmp_path, 'labels.csv', 'metadata.jsonl')
    with pytest.raises(LabelError, match='several label files'):
        find_parts([root])
    with pytest.raises(LabelError, match='is missing'):
        find_parts([f'{root}/nowhere'])


@pytest.mark.parametrize(
    ('pictures', 'lists', 'images'),
    [('JPEGImages', 'splits/', 'JPEGImages'), ('images', '', 'images'), ('.', '', '.')],
)
def test_lists_that_name_classes(tmp_path, pictures, lists, images) -> None:
    """As Shapes and VOC Animals have them; pictures may lie beside the lists."""
    root = touch(tmp_path, f'{pictures}/1.jpg', f'{lists}train.txt', f'{lists}val.txt')
    (tmp_path / f'{lists}train.txt').write_text('1 ant\n')
    place = str(tmp_path / images)
    assert find_parts([root]) == [
        Part(f'{root}/{lists}{split}.txt', place, split) for split in ('train', 'val')
    ]


@pytest.mark.parametrize('line', ['ant/1.png', 'ant/1.png 3'])
def test_lists_of_class_folders_name_splits_alone(tmp_path, line) -> None:
    """Though a number of the class stands behind the name."""
    root = touch(tmp_path, 'ant/1.png', 'bee/1.png')
    (tmp_path / 'train.txt').write_text(f'{line}\n')
    assert find_parts([root]) == [Part(root, root)]
