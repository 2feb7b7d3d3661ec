# Licensed under Apache-2.0.
"""The side input partial: found where it is, held against labels, moved, announced."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.ids_kind import IdsKind
from mmwsss.datasets.transforms.toco_views import ToCoViews, move_fields, toco_views
from mmwsss.io.data_errors import DataError, MaskError
from mmwsss.pipeline.data_check.split_check import check_split
from tests.datasets.conftest import LABELS, draw

SIZE = (24, 32)
LOAD = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PackWeakInputs'),
]
PARTIAL = dict(partial=dict(dir='partial', kind='ids'))


def write(root: Path, name: str, ids: dict[tuple[int, int], int], size=SIZE) -> None:
    """A map with some known pixels."""
    known = np.full(size, 255, np.uint8)
    for place, i in ids.items():
        known[place] = i
    (root / 'partial').mkdir(exist_ok=True)
    Image.fromarray(known).save(root / 'partial' / f'{name}.png')


def build(root: Path, side_inputs=PARTIAL, pipeline=LOAD, **kwargs) -> ShapesDataset:
    return ShapesDataset(
        data_root=str(root), side_inputs=side_inputs, pipeline=pipeline, **kwargs
    )


@pytest.fixture
def root(folder: Path) -> Path:
    """Two of four pictures know pixels: of a cat (1), of a dog (2) and background."""
    write(folder, 'a', {(2, 3): 1})
    write(folder, 'b', {(5, 6): 2, (7, 8): 0})
    return folder


def test_pictures_without_a_file_know_nothing(root) -> None:
    dataset = build(root)
    known = [dataset[i]['data_samples'].partial.data for i in range(4)]
    assert all(k.shape == (1, *SIZE) and k.dtype == torch.int64 for k in known)
    assert [(k != 255).sum().item() for k in known] == [1, 2, 0, 0]
    assert known[0][0, 2, 3] == 1 and known[1][0, 5, 6] == 2
    sample = dataset[0]['data_samples']
    assert 'gt_sem_seg' not in sample and not dataset.with_masks


def test_it_is_optin_by_name(root) -> None:
    assert 'partial' not in build(root, None, [LOAD[0], LOAD[2]])[0]['data_samples']


def test_only_what_says_so_may_be_missing(root) -> None:
    """Other side inputs need a file for each picture, as before."""
    with pytest.raises(DataError, match=r'partial/c\.png is not there: 2 of'):
        build(root, dict(segments=dict(dir='partial', kind='ids')))
    some = dict(segments=dict(dir='partial', kind='ids', optional=True))
    dataset = build(root, some)
    assert not dataset[2]['data_samples'].segments.data.any()  # 0: no segment
    with pytest.raises(ValueError, match="entries that the kind 'grey' does not know"):
        build(root, dict(saliency=dict(dir='partial', kind='grey', optional=True)))


def test_what_is_announced(root, tmp_path) -> None:
    write(root, 'of_another_split', {(0, 0): 1})
    found = build(root).summary().partial
    assert (found.pictures, found.found, found.stored, found.looked) == (4, 2, 3, 2)
    assert found.classes == dict(background=1, cat=1, dog=1)
    assert found.share == pytest.approx(3 / (2 * 24 * 32))
    line = found.line()
    assert '2 of 4 pictures' in line and '1 files there are of other pictures' in line
    assert line.endswith('These are more than image labels.')
    assert '\n' not in line
    assert 'looked at 0.195 % of the pixels are known' in line
    whole = replace(build(root).partial, share=1.0)
    assert 'looked at 100 % of the pixels are known' in whole.line()
    unread = build(root, check_samples=0).summary().partial
    assert (unread.found, unread.looked) == (2, 0)
    assert build(root, None, [LOAD[0], LOAD[2]]).summary().partial is None


def test_an_empty_folder_is_refused(folder) -> None:
    for make in (lambda: None, (folder / 'partial').mkdir):
        make()
        with pytest.raises(
            DataError, match=r'set/partial holds no \.png file.*partial\.dir'
        ):
            build(folder)
    write(folder, 'of_another_split', {(0, 0): 1})
    assert build(folder).partial.found == 0  # the training refuses it


def test_ids_without_a_class_are_refused(root) -> None:
    write(root, 'a', {(2, 3): 9})
    with pytest.raises(MaskError, match=r'a\.png holds the ids \[9\], outside 0\.\.3'):
        build(root)
    with pytest.raises(MaskError, match=r'holds the ids \[9\]'):
        build(root, check_masks=False)


def test_classes_that_the_label_does_not_name(root, monkeypatch) -> None:
    """Refused in more than a fifth, told below, as masks are."""
    write(root, 'a', {(2, 3): 2})
    write(root, 'b', {(2, 3): 3})
    message = r"a\.png knows pixels of 'dog' \(2\), which its image label does not name"
    with pytest.raises(MaskError, match=message):
        build(root)
    said: list[str] = []
    monkeypatch.setattr(
        'mmwsss.datasets.partial.partial_labels.print_log',
        lambda text, *_: said.append(text),
    )
    build(root, check_masks=False)
    assert len(said) == 1 and 'knows pixels of' in said[0]
    many = {f'p{i:02d}': ('cat',) for i in range(10)}
    draw(root / 'many', many)
    for i, name in enumerate(many):
        write(root / 'many', name, {(1, 1): 2 if i == 3 else 1})
    said.clear()
    build(root / 'many')
    assert len(said) == 1 and 'so do 1 of 10 partial labels' in said[0]


def test_a_picture_without_an_object_that_has_one(folder) -> None:
    labels = {'a': ('cat',), 'n': ('background',), 'm': ('background',)}
    draw(folder / 'neg', labels | {'n': (), 'm': ()})
    lines = 'a cat\nn background\nm background\n'
    (folder / 'neg/splits/train.txt').write_text(lines)
    for name in labels:
        write(folder / 'neg', name, {(1, 1): 1})
    with pytest.raises(
        MaskError, match="knows pixels of 'cat' .*2 of 3 partial labels"
    ):
        build(folder / 'neg')


def test_masks_of_0_and_255_are_no_partial_labels(folder) -> None:
    """255 is "unknown" here: such a file would say that all is background."""
    for name in LABELS:
        write(folder, name, {(0, 0): 0, (1, 1): 0})
    with pytest.raises(
        MaskError, match=r'knows no pixel of a class.*hold only 0 and 255'
    ):
        build(folder)


def test_another_size_and_no_picture(root) -> None:
    write(root, 'c', {}, (32, 24))
    with pytest.raises(DataError, match=r'c\.png is 32x24 but its image'):
        build(root, check_samples=0)
    (root / 'partial/c.png').write_bytes(b'nothing')
    with pytest.raises(MaskError, match=r'c\.png cannot be read'):
        build(root)


def test_check_dataset_looks_at_all(root) -> None:
    write(root, 'b', {(2, 3): 3})
    dataset = build(root, check_samples=0, pipeline=[])
    lines = check_split('train', dataset).lines
    assert any("knows pixels of 'red fox' (3)" in line.text for line in lines)


# ------------------------------------------------------------------ geometry
GEOMETRY = [
    [dict(type='PILRandomScale', scale_range=(0.5, 2.0))],
    [dict(type='PILResizeLongSide', side_range=(20, 60))],
    [dict(type='PILRandomFlip', prob=1.0)],
    [dict(type='PILPadCrop', crop_size=40)],
    [dict(type='PILRandomResizedCrop', size=(20, 30))],
    [dict(type='ToCoViews', crop_size=40)],
]


@pytest.mark.parametrize('steps', GEOMETRY, ids=lambda steps: steps[0]['type'])
def test_it_goes_where_the_picture_goes(root, steps) -> None:
    """No new ids, unknown outside; also of pictures that have no file."""
    dataset = build(root, pipeline=[*LOAD[:2], *steps, LOAD[2]])
    seen = set()
    for index in (1, 2):
        for seed in range(8):
            random.seed(seed)
            item = dataset[index]
            inputs, sample = item['inputs'], item['data_samples']
            image = inputs['view1'] if isinstance(inputs, dict) else inputs
            known = sample.partial.data[0]
            assert known.shape == image.shape[-2:]
            seen |= set(known.unique().tolist()) if index == 1 else set()
            assert index == 1 or (known == 255).all()
            if 'valid_box' in sample and 'ToCo' not in steps[0]['type']:
                y0, y1, x0, x1 = sample.valid_box.tolist()
                outside = torch.ones_like(known, dtype=torch.bool)
                outside[y0:y1, x0:x1] = False
                assert (known[outside] == 255).all()
    assert 2 in seen and seen <= {0, 2, 255}


def test_it_follows_view_1_exactly(root) -> None:
    """A picture of the ids themselves, and the ids, through the same draw."""
    ids = np.zeros((24, 32), np.uint8)
    ids[8:16, 8:20] = 200
    step = ToCoViews(crop_size=40, scale_range=(1.0, 1.0))
    for seed in range(12):
        params = step.draw(random.Random(seed), ids.shape)
        plain = dict.fromkeys(('jitter',), ())
        view1 = type(params.view1)(flip=params.view1.flip, **plain)
        params = type(params)(**{**vars(params), 'view1': view1})
        views, _ = toco_views(
            Image.fromarray(np.stack([ids] * 3, -1)), params, (40, 40)
        )
        moved = moved_ids(ids, params)
        assert np.array_equal(moved == 200, views['view1'][..., 0] == 200)
        assert (moved == 255).any()


def moved_ids(ids: np.ndarray, params) -> np.ndarray:
    """The same draw for a map of ids."""
    kind = IdsKind(classes=True, optional=True)
    results = dict(partial=ids, side_inputs=dict(partial=SideFile('x', kind)))
    move_fields(results, params, ids.shape, (40, 40))
    return results['partial']
