# Licensed under Apache-2.0.
"""Fused CAMs as an input of the data sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.datasets.transforms import functional as F
from mmwsss.io.data_errors import DataError, ScoreError
from mmwsss.io.score_files import save_scores, stored_header
from tests.datasets.conftest import CLASSES, LABELS

SIZE = (24, 32)
WHOLE = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PackWeakInputs'),
]
CHAIN = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    dict(type='PILResizeLongSide', side_range=(20, 40)),
    dict(type='PILRandomFlip'),
    dict(type='PILPadCrop', crop_size=24),
    dict(type='PackWeakInputs'),
]


def maps_of(name: str, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, list[int]]:
    """Maps of the image's classes and of one more, in descending order of class."""
    names = [c.replace(' ', '_') for c in CLASSES]
    ids = sorted({names.index(c) for c in LABELS[name]} | {3}, reverse=True)
    rng = np.random.default_rng(sum(map(ord, name)))
    return rng.random((len(ids), *size), np.float32), ids


@pytest.fixture
def fused(folder):
    """A folder of fused maps of all images."""
    out = folder / 'fused'
    out.mkdir()
    for name in LABELS:
        save_scores(out / f'{name}.npz', *maps_of(name), SIZE)
    return out


def build(folder, fused, pipeline=WHOLE, **kwargs) -> ShapesDataset:
    declared = dict(fused=dict(dir=str(fused), kind='maps'))
    return ShapesDataset(
        data_root=str(folder), side_inputs=declared, pipeline=pipeline, **kwargs
    )


def test_maps_of_the_labels_in_their_order(folder, fused) -> None:
    dataset = build(folder, fused)
    for i, name in enumerate(LABELS):
        sample = dataset[i]['data_samples']
        scores, ids = maps_of(name)
        wanted = [scores[ids.index(channel + 1)] for channel in sample.gt_labels]
        assert sample.fused.data.dtype == torch.float32
        np.testing.assert_allclose(sample.fused.data, wanted, atol=2.5e-4)


def test_geometry_is_that_of_the_image(folder, fused) -> None:
    """Maps that equal the picture stay equal to it, wherever it goes."""
    pictures = build(folder, fused, [dict(type='LoadPicture')])
    for i, name in enumerate(LABELS):
        image = pictures[i]['img'][..., 0].astype(np.float32) / 255
        smooth = F.resize_map(F.resize_map(image[None], (3, 4), True), SIZE, True)
        scores, ids = maps_of(name)
        save_scores(fused / f'{name}.npz', np.repeat(smooth, len(ids), 0), ids, SIZE)
    dataset = build(folder, fused, CHAIN)
    for seed in range(6):
        sample = dataset[seed % len(LABELS), seed]['data_samples']
        y0, y1, x0, x1 = sample.valid_box.tolist()
        maps = sample.fused.data
        assert maps.shape == (len(sample.gt_labels), 24, 24)
        outside = torch.ones(24, 24, dtype=torch.bool)
        outside[y0:y1, x0:x1] = False
        assert not maps[:, outside].any() and maps[:, y0:y1, x0:x1].any()


def test_coarse_maps_come_to_the_size_of_the_image(folder, fused) -> None:
    scores, ids = maps_of('a', (6, 8))
    save_scores(fused / 'a.npz', scores, ids, SIZE)
    size, stored = stored_header(fused / 'a.npz')
    assert size == SIZE and stored.tolist() == ids
    assert build(folder, fused)[0]['data_samples'].fused.data.shape == (1, *SIZE)


def test_images_without_labels_have_empty_maps() -> None:
    assert not MapsKind().has_file(dict(gt_labels=()))
    maps = MapsKind().load(None, dict(gt_labels=(), ori_shape=SIZE))
    assert maps.shape == (1, *SIZE) and not maps.any()


@pytest.mark.parametrize('lacking', ['a', 'd'])
def test_missing_maps(folder, fused, lacking: str) -> None:
    (fused / f'{lacking}.npz').unlink()
    with pytest.raises(ScoreError, match=rf'{lacking}\.npz is not there: 1 of'):
        build(folder, fused)


def test_only_the_images_that_are_taken_need_maps(folder, fused) -> None:
    """As those that generate_pseudo_labels.py makes of a few images."""
    for name in 'cd':
        (fused / f'{name}.npz').unlink()
    assert 'fused' in build(folder, fused, indices=2)[1]['data_samples']
    with pytest.raises(ScoreError, match=r'c\.npz is not there: 1 of 3'):
        build(folder, fused, indices=3)


def test_no_folder(folder) -> None:
    with pytest.raises(
        ScoreError, match='4 of 4 fused files are missing.*--save fused'
    ):
        build(folder, folder / 'nowhere')


@pytest.mark.parametrize('name', list(LABELS))
def test_maps_of_another_size(folder, fused, name: str) -> None:
    """Every file is looked at, not a sample of them."""
    scores, ids = maps_of(name, (32, 24))
    save_scores(fused / f'{name}.npz', scores, ids, (32, 24))
    with pytest.raises(ScoreError, match=rf'{name}\.npz was made of .*\(32, 24\)'):
        build(folder, fused, check_samples=0)


def test_maps_without_a_size_are_of_their_own(folder, fused) -> None:
    scores, ids = maps_of('a')
    np.savez(fused / 'a.npz', scores=scores, keys=np.array(ids))
    build(folder, fused)
    np.savez(fused / 'a.npz', scores=scores[:, 1:], keys=np.array(ids))
    with pytest.raises(ScoreError, match='was made of an image of'):
        build(folder, fused)


def test_a_class_is_lacking(folder, fused) -> None:
    """In any file, not in a sample of them."""
    scores, ids = maps_of('b')
    keep = [i for i, c in enumerate(ids) if c != 2]
    save_scores(fused / 'b.npz', scores[keep], [ids[i] for i in keep], SIZE)
    with pytest.raises(ScoreError, match=r'its image also holds \[2\]'):
        build(folder, fused, check_samples=0)


def test_unreadable_maps(folder, fused) -> None:
    (fused / 'c.npz').write_bytes(b'nothing')
    with pytest.raises(ScoreError, match=r'c\.npz cannot be read'):
        build(folder, fused)


def test_the_data_set_must_name_a_folder(folder) -> None:
    dataset = ShapesDataset(data_root=str(folder), pipeline=WHOLE)
    with pytest.raises(DataError, match='set side_inputs'):
        dataset[0]
