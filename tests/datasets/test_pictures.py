# Licensed under Apache-2.0.
"""The rule of a data set reaches every reader of its pictures; EXIF is decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.folder import FolderWeakDataset
from mmwsss.datasets.voc12 import VOC12WeakDataset
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import MaskError, PictureError, SideInputError
from mmwsss.io.errors import UserError
from tests.helpers.tiles import BANDS, TOP, draw_tiles

LOAD = [dict(type='LoadPicture'), dict(type='LoadMask'), dict(type='PackWeakInputs')]
CLASSES = dict(classes=('background', 'cat'))
RULE = dict(value_range=(0, TOP), bands=tuple(range(BANDS)))


# ------------------------------------------------------------------------------ EXIF
def phone(root: Path, size=(60, 80), mask=(80, 60), orientation=6, count=1) -> Path:
    """Photos as stored, with an EXIF orientation, and their masks."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for folder in ('images', 'masks'):
        (root / folder).mkdir(parents=True)
    names = [f'p{i}' for i in range(count)]
    for name in names:
        pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / 'images' / f'{name}.jpg', exif=exif)
        ids = np.full(mask, 255, np.uint8)  # nothing that labels could contradict
        Image.fromarray(ids).save(root / 'masks' / f'{name}.png')
    (root / 'l.csv').write_text(''.join(f'{name}.jpg,cat\n' for name in names))
    return root


def opened(root: Path, test_mode=True, kind=FolderWeakDataset, **options):
    options = dict(data_root=str(root), metainfo=CLASSES) | options
    return kind('l.csv', test_mode=test_mode, **options)


@pytest.mark.parametrize(
    ('size', 'mask', 'orientation', 'seen'),
    [
        ((60, 80), (80, 60), 6, 'fits the photo turned upright'),
        ((60, 80), (60, 80), 8, 'fits the photo as stored'),
        ((80, 80), (80, 80), 6, 'sizes cannot tell'),
        ((60, 80), (60, 80), 3, 'sizes cannot tell'),
    ],
)
def test_turned_photos_with_masks_have_to_be_decided(
    tmp_path, size, mask, orientation, seen
) -> None:
    root = phone(tmp_path / 'd', size, mask, orientation)
    with pytest.raises(MaskError, match=f'EXIF orientation {orientation}.*{seen}'):
        opened(root)
    opened(root, test_mode=False)  # training sees no mask


def test_what_was_decided_is_read_and_held_against_the_sizes(tmp_path) -> None:
    root = phone(tmp_path / 'd')
    data = opened(root, picture=dict(exif='turn'), pipeline=LOAD)
    assert data[0]['inputs'].shape == (3, 80, 60)
    assert data[0]['data_samples'].ori_shape == (80, 60)
    with pytest.raises(MaskError, match="EXIF orientation 6.*exif='turn'"):
        opened(root, picture=dict(exif='ignore'))
    stored = phone(tmp_path / 'e', mask=(60, 80))
    with pytest.raises(MaskError, match="EXIF orientation 6.*exif='ignore'"):
        opened(stored, picture=dict(exif='turn'))
    data = opened(stored, picture=dict(exif='ignore'), pipeline=LOAD)
    assert data[0]['inputs'].shape == (3, 60, 80)


def test_one_photo_of_many_is_noticed(tmp_path) -> None:
    root = phone(tmp_path / 'd', orientation=1, mask=(60, 80), count=150)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(root / 'images' / 'p77.jpg') as photo:
        photo.save(root / 'images' / 'p77.jpg', exif=exif)
    with pytest.raises(MaskError, match=r'p77\.jpg carries the EXIF orientation 6'):
        opened(root)


def test_side_inputs_that_lie_the_other_way(tmp_path) -> None:
    root = phone(tmp_path / 'd')
    (root / 'masks').rename(root / 'saliency')
    side = dict(saliency=dict(dir='saliency', kind='grey'))
    stored = dict(picture=dict(exif='ignore'), side_inputs=side)
    with pytest.raises(SideInputError, match="fits the photo turned.*exif='turn'"):
        opened(root, test_mode=False, **stored)


def test_published_data_sets_read_as_stored(tmp_path) -> None:
    root = phone(tmp_path / 'd', mask=(60, 80))
    for kind in (VOC12WeakDataset, COCO14WeakDataset):
        prefix = dict(img_path='images', seg_map_path='masks')
        data = kind(
            ann_file='l.csv',
            data_root=str(root),
            data_prefix=prefix,
            test_mode=True,
            pipeline=LOAD,
        )
        assert data[0]['inputs'].shape == (3, 60, 80)
        assert 'picture' not in data.metainfo  # photos of one's own are turned


# ------------------------------------------------------------------------------ bands
@pytest.fixture
def tiles(tmp_path) -> Path:
    return draw_tiles(tmp_path / 'tiles')


def of_tiles(root: Path, **options) -> FolderWeakDataset:
    options = dict(data_root=str(root), test_mode=True, pipeline=LOAD) | options
    return FolderWeakDataset('labels.csv', **options)


def test_the_rule_is_in_items_samples_and_metainfo(tiles) -> None:
    data = of_tiles(tiles, picture=RULE)
    item = data[0]
    assert item['inputs'].shape == (BANDS, 48, 48)
    assert item['data_samples'].picture == data.picture
    assert data.metainfo['picture'] == RULE


def test_tiles_are_refused_when_the_data_set_is_opened(tiles) -> None:
    for test_mode in (True, False):
        with pytest.raises(PictureError, match='16-bit values .* in 5 bands'):
            of_tiles(tiles, test_mode=test_mode, pipeline=())
    with pytest.raises(PictureError, match='asks for band 5'):
        of_tiles(tiles, picture=dict(bands=(0, 5), value_range=(0, TOP)))
    of_tiles(tiles, check_files=False)


def test_a_broken_picture_is_left_to_training(tmp_path) -> None:
    root = phone(tmp_path / 'd', orientation=1, count=3)
    (root / 'images' / 'p1.jpg').write_bytes(b'')
    assert len(opened(root, test_mode=False)) == 3


COLOURS = (
    [dict(type='PILColorJitter', saturation=0.2)],
    [dict(type='PILRandomGrey', prob=0.1)],
    [dict(type='HSVShift')],
    [dict(type='ToCoViews', crop_size=32)],
    [dict(type='MultiView', views=dict(a=[], b=[dict(type='HSVShift')]))],
    [dict(type='RandomApply', transforms=[dict(type='HSVShift')])],
)


@pytest.mark.parametrize('steps', COLOURS, ids=lambda steps: steps[0]['type'])
def test_colours_are_not_changed_where_there_are_none(tiles, steps, scope) -> None:
    name = 'HSVShift' if steps[0]['type'][:3] in ('Mul', 'Ran') else steps[0]['type']
    with pytest.raises(UserError, match=f'{name}.* changes colours.* 5 bands'):
        of_tiles(tiles, picture=RULE, pipeline=[LOAD[0], *steps])


PLAIN_VIEW = dict(jitter=(0.4, 0.4, 0, 0), grey_prob=0, solarise_prob=0.5, blur_prob=1)
GEOMETRY = (
    dict(type='PILRandomScale'),
    dict(type='PILResizeLongSide', side_range=(30, 60)),
    dict(type='PILRandomFlip', prob=1),
    dict(type='PILPadCrop', crop_size=64),
    dict(type='PILRandomResizedCrop', size=32),
    dict(type='PILRandomBlur', prob=1),
    dict(type='PILColorJitter', brightness=0.4, contrast=0.4),
    dict(type='PILRandomSolarise', prob=1),
    dict(type='PILMultiScale', scales=(0.5, 1.5)),
    dict(
        type='ToCoViews',
        crop_size=32,
        view1=PLAIN_VIEW,
        view2=PLAIN_VIEW,
        local=PLAIN_VIEW,
    ),
)


@pytest.mark.parametrize('step', GEOMETRY, ids=lambda step: step['type'])
def test_a_band_is_treated_as_in_rgb(tiles, step) -> None:
    """Three bands as RGB, and the same three among five: the same numbers."""
    outs = []
    for bands in ((0, 1, 2), (0, 1, 2, 3, 4)):
        rule = dict(value_range=(0, TOP), bands=bands)
        pipeline = [LOAD[0], step, LOAD[2]]
        data = of_tiles(tiles, test_mode=False, picture=rule, pipeline=pipeline)
        inputs = data[0, 7]['inputs']
        outs.append(inputs if isinstance(inputs, dict) else dict(img=inputs))
    contrast = step['type'] in ('PILColorJitter', 'ToCoViews')  # by band, not by luma
    for name, three in outs[0].items():
        five = outs[1][name]
        assert len(five) == 5 and five.shape[1:] == three.shape[1:]
        if not contrast:
            np.testing.assert_array_equal(five[:3], three)


# ------------------------------------------------------------------------- one reader
def test_mmcvs_loader_is_replaced(tmp_path) -> None:
    root = phone(tmp_path / 'd')
    steps = [dict(type='LoadImageFromFile', color_type='color_ignore_orientation')]
    rule = dict(exif='turn')
    with pytest.warns(FutureWarning, match='LoadPicture'):
        data = opened(root, picture=rule, pipeline=[*steps, LOAD[2]])
    ours = opened(root, picture=rule, pipeline=[LOAD[0], LOAD[2]])
    assert data[0]['inputs'].shape == (3, 80, 60)
    np.testing.assert_array_equal(data[0]['inputs'].flip(0), ours[0]['inputs'])
    with pytest.raises(UserError, match=r"has no \['to_float32'\]"):
        opened(root, picture=rule, pipeline=[dict(steps[0], to_float32=True)])


def test_the_old_name_warns(tmp_path) -> None:
    root = phone(tmp_path / 'd', orientation=1, mask=(60, 80))
    with pytest.warns(FutureWarning, match='LoadRGBImage is LoadPicture now'):
        data = opened(root, pipeline=[dict(type='LoadRGBImage'), LOAD[2]])
    assert data[0]['inputs'].shape == (3, 60, 80)


def test_bands_have_no_bgr(tiles) -> None:
    steps = [dict(type='LoadPicture', channel_order='bgr')]
    with pytest.raises(PictureError, match="no order 'bgr'"):
        of_tiles(tiles, picture=RULE, pipeline=steps)[0]


def test_the_plain_rule_is_a_class_default() -> None:
    assert WeakSegDataset.PICTURE == {}
