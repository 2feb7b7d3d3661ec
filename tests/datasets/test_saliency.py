# Licensed under Apache-2.0.
"""Saliency maps: found, checked, carried through the geometry of their image."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.datasets.shapes.shapes_dataset import ShapesDataset
from mmwsss.datasets.side_inputs.grey_kind import decode_grey
from mmwsss.io.data_errors import DataError
from mmwsss.registry import TRANSFORMS
from tests.datasets.conftest import LABELS

GEOMETRY = (
    dict(type='PILResizeLongSide', side_range=(20, 60)),
    dict(type='PILRandomFlip', prob=0.5),
    dict(type='PILPadCrop', crop_size=40),
)
PIPELINE = [
    dict(type='LoadPicture'),
    dict(type='LoadSideInputs'),
    *GEOMETRY,
    dict(type='PILColorJitter', brightness=0.3, hue=0.1),
    dict(type='PackWeakInputs'),
]


@pytest.fixture
def salient(folder: Path) -> Path:
    """A data set with a map of each image, the red channel of a random picture."""
    rng = np.random.default_rng(1)
    (folder / 'Saliency').mkdir()
    for name in LABELS:
        grey = rng.integers(0, 256, (24, 32), dtype=np.uint8)
        Image.fromarray(grey).save(folder / 'Saliency' / f'{name}.png')
    return folder


def build(folder: Path, **kwargs) -> ShapesDataset:
    settings = dict(side_inputs=saliency_in('Saliency'), pipeline=PIPELINE) | kwargs
    return ShapesDataset(data_root=str(folder), **settings)


def saliency_in(folder: str) -> dict:
    return dict(saliency=dict(dir=folder, kind='grey'))


def test_item(salient: Path) -> None:
    item = build(salient)[1]
    saliency = item['data_samples'].saliency.data
    assert saliency.shape == (1, 40, 40) and saliency.dtype == torch.float32
    assert saliency.min() >= 0 and 0.5 < saliency.max() <= 1
    y0, y1, x0, x1 = item['data_samples'].valid_box.tolist()
    outside = saliency[0].clone()
    outside[y0:y1, x0:x1] = 0
    assert not outside.any()  # padding isn't salient
    infos = build(salient).load_data_list()
    paths = [info['side_inputs']['saliency'].path for info in infos]
    assert paths == [str(salient / 'Saliency' / f'{name}.png') for name in LABELS]


@pytest.mark.parametrize('seed', range(4))
def test_the_map_follows_its_image(salient: Path, seed: int) -> None:
    """A map made of the image's own channel stays that channel."""
    with Image.open(salient / 'JPEGImages' / 'a.jpg') as img:
        img.getchannel(0).save(salient / 'Saliency' / 'a.png')
    pipeline = [item for item in PIPELINE if item['type'] != 'PILColorJitter']
    random.seed(seed)
    item = build(salient, pipeline=pipeline)[0]
    torch.testing.assert_close(
        item['data_samples'].saliency.data[0], item['inputs'][0] / 255
    )


def test_maps_of_colours(salient: Path) -> None:
    """Their channels' mean, taken after the geometry; equal channels are a grey map."""
    path = salient / 'Saliency' / 'a.png'
    grey = build(salient, pipeline=PIPELINE)
    random.seed(0)
    first = grey[0]['data_samples'].saliency.data
    Image.open(path).convert('RGB').save(path)
    random.seed(0)
    torch.testing.assert_close(grey[0]['data_samples'].saliency.data, first)
    red = np.zeros((24, 32, 3), np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(path)
    values = grey[0]['data_samples'].saliency.data.unique()
    torch.testing.assert_close(values.max(), torch.tensor(1 / 3))


@pytest.mark.parametrize('mode', ['L', 'RGB', 'P', '1', 'RGBA'])
def test_decoded_kinds(mode: str) -> None:
    buffer = io.BytesIO()
    grey = Image.fromarray(np.full((4, 5), 255, np.uint8)).convert(mode)
    grey.save(buffer, 'PNG')
    decoded = decode_grey(buffer.getvalue(), 'x.png')
    assert decoded.shape[:2] == (4, 5) and decoded.dtype == np.uint8
    assert (decoded == 255).all()


def test_missing_maps_are_refused_at_start(salient: Path) -> None:
    for name in 'bd':
        (salient / 'Saliency' / f'{name}.png').unlink()
    with pytest.raises(
        DataError,
        match=r'b\.png is not there: 2 of 4 saliency '
        r'files are missing.*Fix: check side_inputs.saliency.dir',
    ):
        build(salient)
    with pytest.raises(DataError, match=r'a\.png is not there: 4 of 4'):
        build(salient, side_inputs=saliency_in('elsewhere'))


def test_only_the_images_that_are_taken_need_maps(salient: Path) -> None:
    for name in 'cd':
        (salient / 'Saliency' / f'{name}.png').unlink()
    assert 'saliency' in build(salient, indices=2)[1]['data_samples']
    with pytest.raises(DataError, match=r'c\.png is not there: 1 of 3'):
        build(salient, indices=3)


@pytest.mark.parametrize('kwargs', [{}, dict(test_mode=True)])
def test_wrong_size_is_refused_at_start(salient: Path, kwargs: dict) -> None:
    Image.new('L', (24, 32)).save(salient / 'Saliency' / 'a.png')
    with pytest.raises(
        DataError,
        match=r'a\.png is 32x24 but its image .*a\.jpg is '
        r'24x32',
    ):
        build(salient, **kwargs)


@pytest.mark.parametrize('name', list(LABELS))
def test_every_size_is_looked_at(salient: Path, name: str) -> None:
    """Not only that of a sample: a single wrong map would stop a long training."""
    Image.new('L', (24, 32)).save(salient / 'Saliency' / f'{name}.png')
    with pytest.raises(DataError, match=rf'{name}\.png is 32x24 but its image '):
        build(salient, check_samples=0)


def test_more_than_eight_bits_are_refused(salient: Path) -> None:
    """PIL would cut them off at 255: everything salient."""
    Image.fromarray(np.full((24, 32), 30000, np.uint16)).save(
        salient / 'Saliency' / 'c.png'
    )
    with pytest.raises(DataError, match=r"c\.png has pixels of the kind 'I.*8 bits"):
        build(salient, check_samples=0)
    with pytest.raises(DataError, match='not of 8 bits'):
        decode_grey((salient / 'Saliency' / 'c.png').read_bytes(), 'c.png')


def test_maps_of_0_and_1_are_refused(salient: Path) -> None:
    """They would pass for pictures without anything salient."""
    for name in LABELS:
        path = salient / 'Saliency' / f'{name}.png'
        binary = np.asarray(Image.open(path)) // 128
        Image.fromarray(binary).save(path)
    with pytest.raises(DataError, match='no value above 1.*as 255, not as 1'):
        build(salient)
    for name in LABELS:  # all of them empty: that may be so
        Image.new('L', (32, 24)).save(salient / 'Saliency' / f'{name}.png')
    build(salient)


def test_unreadable_maps_are_named(salient: Path) -> None:
    (salient / 'Saliency' / 'a.png').write_bytes(b'no picture')
    for samples in (4, 0):
        with pytest.raises(DataError, match=r'a\.png cannot be read as a picture'):
            build(salient, check_samples=samples)


def test_a_data_set_without_maps_says_so(folder: Path) -> None:
    with pytest.raises(DataError, match=r'no side inputs.*set side_inputs\.NAME'):
        build(folder, side_inputs=None)[0]


def test_training_without_the_transform_reads_nothing(salient: Path) -> None:
    pipeline = [item for item in PIPELINE if item['type'] != 'LoadSideInputs']
    assert 'saliency' not in build(salient, pipeline=pipeline)[0]['data_samples']


def views(**kwargs) -> dict:
    transform = TRANSFORMS.build(dict(type='PILMultiScale') | kwargs)
    rng = np.random.default_rng(0)
    img = rng.integers(0, 256, (61, 81, 3), dtype=np.uint8)
    return dict(img=img) | transform.transform(dict(img=img))


@pytest.mark.parametrize(
    'rounding, expected',
    [
        (
            1,
            {
                'scale_0.5': (30, 40),
                'scale_1': (61, 81),
                'scale_1.5': (92, 122),
                'scale_2': (122, 162),
            },
        ),
        (
            16,
            {
                'scale_0.5': (32, 48),
                'scale_1': (64, 96),
                'scale_1.5': (96, 128),
                'scale_2': (128, 176),
            },
        ),
    ],
)
def test_views_at_scales(rounding: int, expected: dict) -> None:
    got = views(rounding=rounding)
    assert {k: v.shape[:2] for k, v in got['views'].items()} == expected
    assert np.array_equal(got['views']['scale_1'], got['img']) == (rounding == 1)


def test_scale_one_is_always_there() -> None:
    assert set(views(scales=(2,))['views']) == {'scale_1', 'scale_2'}


@pytest.mark.parametrize(
    'settings',
    [
        dict(scales=(0.5, 0)),
        dict(rounding=0),
        dict(scales=(1, 1)),
        dict(resample='cubic'),
    ],
)
def test_wrong_scales(settings: dict) -> None:
    with pytest.raises(ValueError, match=r'scales=|cubic'):
        views(**settings)
