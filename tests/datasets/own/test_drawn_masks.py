# Licensed under Apache-2.0.
"""Masks from COCO's polygons, by the names and classes that the labels go by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.drawn_masks import draw_masks
from mmwsss.datasets.own.found_parts import Part
from mmwsss.datasets.own.gathered import gather
from mmwsss.io.data_errors import LabelError

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (40, 30)).save(path)
    return path


def write(path: Path, names, categories=('cat',), marks=((0, 0),), mark='') -> Part:
    """A COCO file; ``marks`` are pairs of an image and a category, by their places."""
    content = dict(
        images=[dict(id=i, file_name=name) for i, name in enumerate(names)],
        annotations=[
            dict(image_id=i, category_id=c, id=k, area=100, segmentation=SQUARE)
            for k, (i, c) in enumerate(marks)
        ],
        categories=[dict(id=i, name=name) for i, name in enumerate(categories)],
    )
    path.write_text(mark + json.dumps(content), 'utf-8')
    return Part(str(path), str(path.parent))


def drawn(part: Part, out: Path, classes=()) -> dict[str, list[int]]:
    """The ids of each mask."""
    masks = draw_masks([part], gather([part], classes), out)
    arrays = {name: np.asarray(Image.open(path)) for name, path in masks.items()}
    assert all(mask.shape == (30, 40) for mask in arrays.values())
    return {name: np.unique(mask).tolist() for name, mask in arrays.items()}


@pytest.mark.parametrize('name', ['./a.jpg', 'a', '{root}/a.jpg', 'a.jpg'])
def test_names_in_other_words(tmp_path, name) -> None:
    picture(tmp_path / 'a.jpg')
    part = write(tmp_path / 'one.json', [name.format(root=tmp_path)])
    assert drawn(part, tmp_path / 'out') == {'a.jpg': [0, 1]}


def test_names_of_windows_and_a_byte_order_mark(tmp_path) -> None:
    picture(tmp_path / 'sub' / 'a.jpg')
    part = write(tmp_path / 'one.json', ['sub\\a.jpg'], mark='\ufeff')
    assert drawn(part, tmp_path / 'out') == {'sub/a.jpg': [0, 1]}


def test_two_entries_of_one_picture(tmp_path) -> None:
    picture(tmp_path / 'a.jpg')
    part = write(
        tmp_path / 'one.json', ['a.jpg', './a.jpg'], ('cat', 'dog'), [(0, 1), (1, 1)]
    )
    content = json.loads(Path(part.labels).read_text())
    content['annotations'][1] |= dict(category_id=0, segmentation=[[0, 0, 5, 0, 5, 5]])
    Path(part.labels).write_text(json.dumps(content))
    assert drawn(part, tmp_path / 'out') == {'a.jpg': [0, 1, 2]}


def test_objects_of_no_class(tmp_path) -> None:
    """Of "background" and other words for no object; they leave no mark."""
    for name in 'ab':
        picture(tmp_path / f'{name}.jpg')
    part = write(
        tmp_path / 'one.json', ['a.jpg', 'b.jpg'], ('cat', 'background'),
        [(0, 0), (1, 1)],
    )  # fmt: skip
    assert drawn(part, tmp_path / 'out') == {'a.jpg': [0, 1], 'b.jpg': [0]}


def test_classes_as_labels_write_them(tmp_path) -> None:
    """Decomposed letters, and a class whose blank is an underscore in the file."""
    picture(tmp_path / 'a.jpg')
    part = write(
        tmp_path / 'one.json', ['a.jpg'], ('ka\u0308se', 'red_fox'), [(0, 0), (0, 1)]
    )
    content = json.loads(Path(part.labels).read_text())
    content['annotations'][1] |= dict(segmentation=[[0, 0, 5, 0, 5, 5]])
    Path(part.labels).write_text(json.dumps(content))
    found = drawn(part, tmp_path / 'out', ('k\u00e4se', 'red fox'))
    assert found == {'a.jpg': [0, 1, 2]}


def test_a_picture_that_the_file_does_not_list(tmp_path) -> None:
    for name in 'ab':
        picture(tmp_path / f'{name}.jpg')
    part = write(tmp_path / 'one.json', ['a.jpg', 'b.jpg'])
    data = gather([part])
    fewer = write(tmp_path / 'two.json', ['a.jpg'])
    with pytest.raises(LabelError, match=r'two\.json lists 1 of 2 .*first: b\.jpg'):
        draw_masks([fewer], data, tmp_path / 'out')
    only = replace(data, pictures={'a.jpg': data.pictures['a.jpg']})  # b left out
    assert set(draw_masks([part], only, tmp_path / 'out')) == {'a.jpg'}


def test_no_coco_file(tmp_path) -> None:
    picture(tmp_path / 'a.jpg')
    (tmp_path / 'labels.csv').write_text('a.jpg,cat\n')
    part = Part(str(tmp_path / 'labels.csv'), str(tmp_path))
    with pytest.raises(LabelError, match='is no COCO file, from which masks'):
        draw_masks([part], gather([part]), tmp_path / 'out')
