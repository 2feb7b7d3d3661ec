# Licensed under Apache-2.0.
"""Pictures of all parts under the names that they get, and the splits they come in."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.own.found_parts import find_parts
from mmwsss.datasets.own.gathered import gather
from mmwsss.datasets.own.given_splits import given_splits
from mmwsss.datasets.own.mask_ids import find_masks
from mmwsss.io.data_errors import LabelError
from mmwsss.io.errors import UserError

#: a name as it is written, and as macOS has it on the disk
NAME = 'k\u00e4se'
ON_DISK = unicodedata.normalize('NFD', NAME)


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (4, 3)).save(root / name)
    return root


def splits(source: Path | str, **options) -> dict[str, list[str]] | None:
    parts = find_parts([str(source)])
    return given_splits(parts, gather(parts, **options).pictures)


def test_decomposed_names_on_the_disk(tmp_path) -> None:
    """Labels, lists and masks name them in composed letters."""
    root = pictures(tmp_path / 'in', f'{ON_DISK}.png', 'b.png')
    (root / 'labels.csv').write_text(f'{NAME}.png,cat\nb.png,dog\n')
    (root / 'train.txt').write_text('b\n')
    (root / 'val.txt').write_text(f'{NAME}\n')
    assert splits(root) == dict(train=['b.png'], val=[f'{NAME}.png'])
    data = gather(find_parts([str(root)]))
    found = data.pictures[f'{NAME}.png']
    assert found.own_name == f'{NAME}.png' and Path(found.path).is_file()
    masks = tmp_path / 'masks'
    masks.mkdir()
    Image.fromarray(np.ones((3, 4), np.uint8)).save(masks / f'{NAME}.png')
    names = {name: (one.own_name,) for name, one in data.pictures.items()}
    assert set(find_masks(str(masks), names)) == {f'{NAME}.png'}


def test_masks_in_a_folder_of_decomposed_letters_are_no_class(tmp_path) -> None:
    root = pictures(tmp_path, 'cat/1.png', f'{ON_DISK}/1.png')
    parts = find_parts([str(root)])
    assert gather(parts, beside=[f'{root}/{ON_DISK}']).classes == ('cat',)


@pytest.mark.parametrize('source', ['train.txt', './train.txt', '{root}/train.txt'])
def test_labels_that_are_called_as_a_list(tmp_path, monkeypatch, source) -> None:
    """They say no split, however their path is written."""
    root = pictures(tmp_path, 'a.png', 'b.png')
    (root / 'train.txt').write_text('a cat\nb dog\n')
    monkeypatch.chdir(root)
    assert splits(source.format(root=root)) is None


def test_lists_with_absolute_names_and_with_one_name_twice(tmp_path) -> None:
    root = pictures(tmp_path, 'images/a.png', 'images/b.png')
    (root / 'labels.csv').write_text('a.png,cat\nb.png,dog\n')
    (root / 'train.txt').write_text(f'{root}/images/a.png\na\na.png\n')
    (root / 'val.txt').write_text('b\n')
    assert splits(root) == dict(train=['a.png'], val=['b.png'])
    (root / 'val.txt').write_text('b\na\n')
    with pytest.raises(LabelError, match=r"val\.txt names 'a', which is in two lists"):
        splits(root)


def test_nothing_is_left(tmp_path) -> None:
    root = pictures(tmp_path, 'a.png', 'b.png')
    (root / 'labels.txt').write_text('a\nb\n')
    parts = find_parts([str(root)])
    with pytest.raises(UserError, match='no picture .2 pictures without labels are le'):
        gather(parts, ('cat',), unlabelled='leave-out')
    assert len(gather(parts, ('cat',), unlabelled='empty').pictures) == 2
