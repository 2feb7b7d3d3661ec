# Licensed under Apache-2.0.
"""Data sets of a folder as it is: whatever a reader knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.folder_cfgs import folder_splits
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError
from mmwsss.registry import DATASETS


def pictures(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (40, 30), (9 * i, 0, 0)).save(root / name)
    return root


def labels(root: Path) -> dict[str, list[tuple[int, ...]]]:
    """Channels of the pictures of each split."""
    sets = {split: DATASETS.build(cfg) for split, cfg in folder_splits(root).items()}
    return {
        split: [data.get_data_info(i)['gt_labels'] for i in range(len(data))]
        for split, data in sets.items()
    }


def test_files_of_labelme(tmp_path, scope) -> None:
    root = pictures(tmp_path, 'a.png', 'b.png')
    for name, label in (('a', 'ant'), ('b', 'bee')):
        shapes = [dict(label=label, points=[[1, 2]], shape_type='point')]
        content = dict(shapes=shapes, imagePath=f'{name}.png')
        (root / f'{name}.json').write_text(json.dumps(content))
    assert labels(root) == dict(all=[(0,), (1,)])


def test_class_folders_with_folders_in_them(tmp_path, scope) -> None:
    assert labels(pictures(tmp_path, 'ant/x/1.png', 'bee/x/y/2.png')) == dict(
        all=[(0,), (1,)]
    )


def test_xml_of_voc(tmp_path, scope) -> None:
    root = pictures(tmp_path, 'JPEGImages/a.png', 'JPEGImages/b.png')
    (root / 'Annotations').mkdir()
    for name, label in (('a', 'ant'), ('b', 'bee')):
        text = f'<annotation><object><name>{label}</name></object></annotation>'
        (root / 'Annotations' / f'{name}.xml').write_text(text)
    assert labels(root / 'Annotations') == dict(all=[(0,), (1,)])


def test_vectors_whose_classes_a_list_names(tmp_path, scope) -> None:
    root = pictures(tmp_path, 'a.png', 'b.png')
    (root / 'classes.txt').write_text('ant\nbee\n')
    vectors = dict(a=np.array([0.0, 1.0]), b=np.array([1.0, 0.0]))
    np.save(root / 'cls_labels.npy', vectors)
    assert labels(root) == dict(all=[(1,), (0,)])


def test_which_split_has_masks(tmp_path, scope) -> None:
    """By the names of its list, or by those of its labels."""
    root = pictures(tmp_path, *(f'images/{name}.png' for name in 'abc'))
    (root / 'labels.csv').write_text('a.png,ant\nb.png,bee\nc.png,ant\n')
    for split, name in (('train', 'a'), ('val', 'b'), ('test', 'c')):
        (root / f'{split}.txt').write_text(f'{root}/images/{name}.png\n')
    pictures(root, 'masks/a.png', 'masks/b.png')
    asked = {split: cfg['test_mode'] for split, cfg in folder_splits(root).items()}
    assert asked == dict(train=False, val=True, test=False)


def test_what_can_not_be_read_is_called_by_its_name(tmp_path) -> None:
    root = pictures(tmp_path, 'in/a.png')
    with pytest.raises(UserError, match=r'holds no labels that are known .*no folder'):
        folder_splits(root / 'in')
    (root / 'in' / 'labels.json').write_text('{"a.png": ')
    with pytest.raises(LabelError, match=r'labels\.json is not valid JSON'):
        folder_splits(root / 'in')


def test_one_of_several_parts_that_can_not_be_read(tmp_path, scope) -> None:
    """It is refused when it is opened, by its split."""
    root = pictures(tmp_path, 'train/ant/a.png', 'val/ant/b.png')
    (root / 'val' / 'labels.json').write_text('{"a.png": ')
    found = folder_splits(root)
    assert len(DATASETS.build(found['train'])) == 1
    with pytest.raises(LabelError, match=r'val/labels\.json is not valid JSON'):
        DATASETS.build(found['val'])
