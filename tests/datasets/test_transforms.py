# Licensed under Apache-2.0.
"""Transforms of the package: arithmetic, random choices, several views."""

from __future__ import annotations

import math
import random
import time

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torchvision.transforms import functional as tv

from mmwsss.datasets.side_inputs.declaration import SideFile
from mmwsss.datasets.side_inputs.maps_kind import MapsKind
from mmwsss.datasets.transforms import draw
from mmwsss.datasets.transforms import functional as F
from mmwsss.datasets.transforms.draw import PhotoParams
from mmwsss.datasets.transforms.load_mask import LoadMask
from mmwsss.datasets.transforms.load_rgb_image import decode_rgb
from mmwsss.datasets.transforms.multi_view import MultiView
from mmwsss.datasets.transforms.pack_weak_inputs import PackWeakInputs
from mmwsss.datasets.transforms.toco_views import ToCoParams, ToCoViews, toco_views
from mmwsss.registry import TRANSFORMS


def picture(height=50, width=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def same(img, other):
    np.testing.assert_array_equal(np.asarray(img), np.asarray(other))


def run(cfg, img=None, **results):
    img = picture() if img is None else img
    return TRANSFORMS.build(cfg).transform(
        dict(img=img, img_shape=img.shape[:2], **results)
    )


# ------------------------------------------------------------------ arithmetic


@pytest.mark.parametrize('factor', [0.6, 1.0, 1.37])
def test_colours_are_pils(factor):
    """8 bits after each step: torchvision's functions must keep to these numbers."""
    img = Image.fromarray(picture())
    for name, enhancer in (
        ('brightness', ImageEnhance.Brightness),
        ('contrast', ImageEnhance.Contrast),
        ('saturation', ImageEnhance.Color),
    ):
        same(F.color_jitter(img, [(name, factor)]), enhancer(img).enhance(factor))


@pytest.mark.parametrize('shift', [-0.5, -0.1, -0.003, 0.0, 0.07, 0.5])
def test_hue_turns_by_whole_steps(shift):
    """Of 1/255, truncated, around the circle of 256."""
    img = Image.fromarray(picture())
    hue, saturation, value = img.convert('HSV').split()
    step = int(shift * 255) % 256
    hue = hue.point([(level + step) % 256 for level in range(256)])
    turned = Image.merge('HSV', (hue, saturation, value)).convert('RGB')
    same(F.color_jitter(img, [('hue', shift)]), turned)


def test_jitter_keeps_its_order():
    img = Image.fromarray(picture())
    one = F.color_jitter(img, [('contrast', 1.4), ('hue', 0.1)])
    other = F.color_jitter(img, [('hue', 0.1), ('contrast', 1.4)])
    same(one, tv.adjust_hue(tv.adjust_contrast(img, 1.4), 0.1))
    assert np.any(np.asarray(one) != np.asarray(other))


def test_resized_crop_is_torchvisions():
    img = Image.fromarray(picture())
    same(
        F.resized_crop(img, (3, 23, 4, 34), (44, 41)),
        tv.resized_crop(img, 3, 4, 20, 30, [44, 41], tv.InterpolationMode.BICUBIC),
    )


def test_grey_and_solarise_are_torchvisions():
    img = Image.fromarray(picture())
    same(F.grey_image(img), tv.rgb_to_grayscale(img, 3))
    same(F.solarise_image(img, 128), tv.solarize(img, 128))


def test_scale_truncates():
    assert F.scale_image(Image.new('RGB', (61, 33)), 1.499).size == (91, 49)
    assert F.scale_image(Image.new('RGB', (1, 1)), 0.5).size == (1, 1)


@pytest.mark.parametrize(
    ('size', 'expected'),
    [
        ((500, 375), (300, 225)),
        ((375, 500), (225, 300)),
        ((80, 80), (300, 300)),
        ((500, 1), (300, 1)),
    ],
)
def test_long_side(size, expected):
    assert F.resize_long_side(Image.new('RGB', size), 300).size == expected


def test_mirrored_box_fits_the_mirrored_picture():
    place = ((40, 40), (5, 0), (0, 12))
    mask = np.ones((30, 60), np.uint8)
    y0, y1, x0, x1 = F.mirror_box(F.crop_box((30, 25), (40, 40), (5, 9), (0, 0)), 40)
    crop = F.pad_crop(np.ones((30, 25), np.uint8), (40, 40), (5, 9), (0, 0))[:, ::-1]
    assert crop.sum() == crop[y0:y1, x0:x1].sum() == (y1 - y0) * (x1 - x0)
    assert F.pad_crop(mask, *place).shape == (40, 40)


def test_unknown_filter():
    with pytest.raises(ValueError, match="'cubic' is unknown"):
        F.interpolation('cubic')


@pytest.mark.parametrize('mode', ['L', 'P', 'RGBA', 'CMYK', 'RGB'])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    path = tmp_path / ('x.tif' if mode == 'CMYK' else 'x.png')
    Image.fromarray(picture()).convert(mode).save(path)
    img = decode_rgb(path.read_bytes())
    assert img.shape == (50, 60, 3)
    assert img.dtype == np.uint8


# -------------------------------------------------------------- random choices


def test_area_boxes_keep_their_ranges():
    rng = random.Random(0)
    for _ in range(300):
        y0, y1, x0, x1 = draw.draw_area_box(rng, (300, 400), (0.4, 1.0))
        assert 0 <= y0 < y1 <= 300
        assert 0 <= x0 < x1 <= 400
        assert 0.39 < (y1 - y0) * (x1 - x0) / (300 * 400) <= 1
        assert 0.74 < (x1 - x0) / (y1 - y0) < 1.35


@pytest.mark.parametrize(
    ('shape', 'box'), [((10, 1000), (0, 10, 493, 506)), ((1000, 10), (493, 506, 0, 10))]
)
def test_central_box_when_nothing_fits(shape, box):
    assert draw.draw_area_box(random.Random(0), shape, (0.9, 1.0)) == box


def test_pad_and_crop_places_are_uniform():
    rng = random.Random(0)
    seen = {draw.draw_pad_crop(rng, (3, 7), (5, 5)) for _ in range(300)}
    assert seen == {((pad, 0), (0, start)) for pad in range(3) for start in range(3)}


def test_frequencies_of_the_published_colours():
    rng, transform = random.Random(0), ToCoViews()
    params = [transform.draw(rng, (375, 500)) for _ in range(4000)]

    def share(condition):
        return sum(map(condition, params)) / len(params)

    for name, blur, solarise in (
        ('view1', 1, 0),
        ('view2', 0.1, 0.2),
        ('local', 0.5, 0),
    ):
        view = [getattr(p, name) for p in params]
        for key, expected in (('flip', 0.5), ('grey', 0.2), ('solarise', solarise)):
            assert np.mean([getattr(v, key) for v in view]) == pytest.approx(
                expected, abs=0.04
            )
        assert np.mean([bool(v.jitter) for v in view]) == pytest.approx(0.8, abs=0.04)
        radii = [v.radius for v in view if v.radius is not None]
        assert len(radii) / len(view) == pytest.approx(blur, abs=0.04)
        assert min(radii) >= 0.1
        assert max(radii) <= 2
    jitters = [dict(p.view1.jitter) for p in params if p.view1.jitter]
    for name, low, high in (
        ('brightness', 0.6, 1.4),
        ('contrast', 0.6, 1.4),
        ('saturation', 0.8, 1.2),
        ('hue', -0.1, 0.1),
    ):
        values = [jitter[name] for jitter in jitters]
        assert low <= min(values) < low + 0.02
        assert high - 0.02 < max(values) <= high
    assert {next(iter(jitter)) for jitter in jitters} == {
        'brightness',
        'contrast',
        'saturation',
        'hue',
    }
    assert share(lambda p: p.flip) == pytest.approx(0.5, abs=0.04)
    assert np.mean([p.scale for p in params]) == pytest.approx(1.25, abs=0.03)


# ------------------------------------------------------------------ ToCo's views


def plain(**kwargs):
    values = dict(
        scale=1.0,
        flip=False,
        pad_yx=(0, 0),
        crop_yx=(0, 0),
        view1=PhotoParams(),
        local=PhotoParams(),
        view2_box=(0, 40, 0, 40),
        view2=PhotoParams(),
    )
    return ToCoParams(**{**values, **kwargs})


def test_view1_in_steps():
    img = Image.fromarray(picture(50, 60))
    jitter = (('hue', 0.05), ('brightness', 1.2))
    params = plain(
        scale=1.5,
        flip=True,
        crop_yx=(9, 20),
        view1=PhotoParams(
            flip=True, jitter=jitter, grey=True, radius=1.3, solarise=True
        ),
    )
    views, box = toco_views(img, params, (40, 40))
    step = img.resize((90, 75), Image.Resampling.BILINEAR)
    step = tv.hflip(tv.hflip(step).crop((20, 9, 60, 49)))
    step = tv.adjust_brightness(tv.adjust_hue(step, 0.05), 1.2)
    step = F.solarise_image(F.blur_image(tv.rgb_to_grayscale(step, 3), 1.3))
    same(views['view1'], step)
    assert box == (0, 40, 0, 40)


def test_view2_comes_from_the_raw_image():
    img = Image.fromarray(picture(50, 60))
    params = plain(
        scale=0.5, flip=True, view2_box=(5, 45, 8, 58), view2=PhotoParams(flip=True)
    )
    views, _ = toco_views(img, params, (40, 40))
    same(
        views['view2'],
        tv.hflip(
            tv.resized_crop(img, 5, 8, 40, 50, [40, 40], tv.InterpolationMode.BICUBIC)
        ),
    )


@pytest.mark.parametrize(
    ('mirror_box', 'box'), [(False, (4, 34, 3, 28)), (True, (4, 34, 12, 37))]
)
def test_box_of_a_mirrored_view(mirror_box, box):
    params = plain(pad_yx=(4, 3), view1=PhotoParams(flip=True))
    img = Image.fromarray(np.full((30, 25, 3), 200, np.uint8))
    views, found = toco_views(img, params, (40, 40), mirror_box)
    assert found == box
    y0, y1, x0, x1 = found
    assert bool(np.all(views['view1'][y0:y1, x0:x1] == 200)) == mirror_box


@pytest.mark.parametrize('independent', [True, False])
def test_flip_of_the_local_source(independent):
    transform = ToCoViews(40, independent_local_flip=independent)
    rng = random.Random(0)
    params = [transform.draw(rng, (50, 60)) for _ in range(200)]
    equal = [p.view1.flip == p.local.flip for p in params]
    assert all(equal) == (not independent)
    assert any(equal)


@pytest.mark.parametrize('shape', [(50, 60), (8, 200), (300, 9), (1, 1)])
def test_toco_views_of_any_image(shape):
    random.seed(0)
    for size in (40, (32, 48)):
        results = ToCoViews(size).transform(dict(img=picture(*shape)))
        expected = (size, size) if isinstance(size, int) else size
        assert 'img' not in results
        assert {v.shape for v in results['views'].values()} == {(*expected, 3)}
        y0, y1, x0, x1 = results['valid_box']
        assert 0 <= y0 < y1 <= expected[0]
        assert 0 <= x0 < x1 <= expected[1]


def test_parameters_of_the_colours_are_laid_over_the_published():
    transform = ToCoViews(40, view1=dict(blur_prob=0.0), view2=dict(jitter_prob=0.0))
    params = [transform.draw(random.Random(i), (50, 60)) for i in range(50)]
    assert all(p.view1.radius is None and p.view2.jitter == () for p in params)
    assert any(p.view1.jitter for p in params)


def test_masks_are_refused():
    with pytest.raises(ValueError, match='carries no masks'):
        ToCoViews(40).transform(dict(img=picture(), **fields()))


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'I', 'I;16'])
@pytest.mark.parametrize('label_map', [None, {0: 0, 1: 2, 2: 1}])
def test_masks_of_every_depth_become_uint8(tmp_path, mode, label_map):
    ids = np.array([[0, 1], [1, 0]])
    if mode == '1':
        mask = Image.fromarray(ids.astype(bool))
    else:
        kind = {'I': np.int32, 'I;16': np.uint16}.get(mode, np.uint8)
        mask = Image.fromarray(ids.astype(kind))
    if mode == 'P':
        mask.putpalette([0] * 768)
    assert mask.mode == mode
    # PNG would store 'I' with 16 bits
    mask.save(tmp_path / 'a', format='TIFF')
    results = LoadMask().transform(
        dict(seg_map_path=str(tmp_path / 'a'), num_foreground=2, label_map=label_map)
    )
    found = results['gt_seg_map']
    assert found.dtype == np.uint8
    same(found, ids if label_map is None else 2 * ids)


def test_views_are_cheap():
    """96 pixels: about 2 ms of processor time an image; ten times that fails."""
    transform, img = ToCoViews(96), picture(96, 96)
    start = time.process_time()
    for _ in range(50):
        transform.transform(dict(img=img))
    assert (time.process_time() - start) / 50 < 0.02


# --------------------------------------------------------------- single steps


def fields(height=50, width=60):
    rng = np.random.default_rng(1)
    return dict(
        gt_seg_map=rng.integers(0, 3, (height, width)).astype(np.uint8),
        cam=rng.random((2, height, width)).astype(np.float32),
        saliency=rng.random((1, height, width)).astype(np.float32),
        seg_fields=['gt_seg_map'],
        side_inputs={name: SideFile('x', MapsKind()) for name in ('cam', 'saliency')},
    )


@pytest.mark.parametrize(
    'cfg',
    [
        dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
        dict(type='PILResizeLongSide', side_range=(30, 90)),
        dict(type='PILRandomFlip', prob=1.0),
        dict(type='PILPadCrop', crop_size=55),
        dict(type='PILRandomResizedCrop', size=(33, 44)),
    ],
)
def test_geometry_moves_image_and_fields_together(cfg):
    random.seed(3)
    out = run(cfg, **fields())
    shape = out['img'].shape[:2]
    assert out['img_shape'] == shape
    assert out['gt_seg_map'].shape == shape
    assert out['cam'].shape == (2, *shape) and out['saliency'].shape == (1, *shape)
    assert out['gt_seg_map'].dtype == np.uint8
    assert set(np.unique(out['gt_seg_map']).tolist()) <= {0, 1, 2, 255}


def test_flip_and_crop_of_fields_are_exact():
    data = fields()
    out = run(dict(type='PILRandomFlip', prob=1.0), **data, valid_box=(0, 9, 5, 60))
    same(out['cam'], data['cam'][..., ::-1])
    same(out['gt_seg_map'], data['gt_seg_map'][:, ::-1])
    assert out['valid_box'] == (0, 9, 0, 55)
    out = run(dict(type='PILPadCrop', crop_size=70, fill=7), **fields())
    y0, y1, x0, x1 = out['valid_box']
    inside = np.zeros((70, 70), bool)
    inside[y0:y1, x0:x1] = True
    same(out['cam'][:, inside].reshape(2, 50, 60), data['cam'])
    assert (out['gt_seg_map'][~inside] == 255).all()
    assert (out['cam'][:, ~inside] == 0).all()
    assert (out['img'][~inside] == 7).all()


def test_published_box_of_a_late_flip():
    out = run(
        dict(type='PILRandomFlip', prob=1.0, mirror_box=False), valid_box=(0, 9, 5, 60)
    )
    assert out['valid_box'] == (0, 9, 5, 60)


def test_score_maps_are_resized_as_pytorch_does():
    """In double precision, stored as they were."""
    data = fields()
    out = run(dict(type='PILRandomScale', scale_range=(0.5, 0.5)), **fields())
    expected = (
        torch.nn.functional.interpolate(
            torch.from_numpy(data['cam'])[None].double(),
            (25, 30),
            mode='bilinear',
            align_corners=True,
        )[0]
        .float()
        .numpy()
    )
    same(out['cam'], expected)
    assert out['cam'].dtype == data['cam'].dtype


@pytest.mark.parametrize(
    'cfg',
    [
        dict(
            type='PILColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1
        ),
        dict(type='PILRandomGrey', prob=1.0),
        dict(type='PILRandomBlur', prob=1.0),
        dict(type='PILRandomSolarise', prob=1.0),
    ],
)
def test_colour_steps(cfg):
    img = picture()
    before = img.copy()
    out = run(cfg, img)
    assert out['img'].shape == img.shape
    assert np.any(out['img'] != img)
    same(img, before)  # nothing is written in place
    if cfg['type'] != 'PILColorJitter':
        same(run({**cfg, 'prob': 0.0}, img)['img'], img)


def test_hue_range_is_checked():
    with pytest.raises(ValueError, match='hue'):
        TRANSFORMS.build(dict(type='PILColorJitter', hue=0.6))


# ------------------------------------------------------------------- many views

COLOURS = dict(
    type='PILColorJitter',
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    prob=0.8,
)


def test_fsrs_views():
    """Two views, each drawn by itself from the raw image."""
    view = [
        dict(type='PILRandomResizedCrop', size=32, area=(0.32, 1.0)),
        dict(type='PILRandomFlip', prob=0.5),
        {**COLOURS, 'prob': 0.5},
    ]
    random.seed(0)
    out = run(dict(type='MultiView', views=dict(view1=view, view2=view)))
    assert list(out['views']) == ['view1', 'view2']
    assert out['views']['view1'].shape == (32, 32, 3)
    assert np.any(out['views']['view1'] != out['views']['view2'])
    assert out['valid_box'] == (0, 32, 0, 32)
    assert 'img' not in out


def toco_as_multi_view(size, blur=(1.0, 0.1, 0.5)):
    def colours(index, *more):
        return [
            dict(type='PILRandomFlip', prob=0.5, mirror_box=False),
            COLOURS,
            dict(type='PILRandomGrey', prob=0.2),
            dict(type='PILRandomBlur', prob=blur[index]),
            *more,
        ]

    return dict(
        type='MultiView',
        shared=dict(
            crop=[
                dict(type='PILRandomScale', scale_range=(0.5, 2.0)),
                dict(type='PILRandomFlip', prob=0.5),
                dict(type='PILPadCrop', crop_size=size),
            ]
        ),
        views=dict(
            view1=dict(start='crop', transforms=colours(0)),
            view2=[
                dict(type='PILRandomResizedCrop', size=size, area=(0.4, 1.0)),
                *colours(1, dict(type='PILRandomSolarise', prob=0.2)),
            ],
            local=dict(start='crop', transforms=colours(2)),
        ),
    )


def test_tocos_views_as_multi_view():
    random.seed(0)
    out = run(toco_as_multi_view(40))
    assert {v.shape for v in out['views'].values()} == {(40, 40, 3)}
    assert len(out['valid_box']) == 4


def test_shared_results_are_drawn_once():
    random.seed(1)
    cfg = dict(
        type='MultiView',
        shared=dict(
            crop=[dict(type='PILPadCrop', crop_size=20)],
            grey=dict(start='crop', transforms=[dict(type='PILRandomGrey', prob=1.0)]),
        ),
        views=dict(
            a=dict(start='crop'), b=dict(start='crop'), c=dict(start='grey'), raw=[]
        ),
        main='b',
    )
    img = picture()
    views = run(cfg, img)['views']
    same(views['a'], views['b'])
    same(views['c'], F.grey_image(Image.fromarray(views['a'])))
    same(views['raw'], img)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(views={}), 'views is empty'),
        (dict(views=dict(a=[]), main='b'), "main='b' is none"),
        (dict(views=dict(a=dict(start='crop'))), "'a' starts from 'crop'"),
        (dict(views=dict(a=[], b=dict(start='a'))), "'b' starts from 'a'"),
    ],
)
def test_multi_view_checks(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MultiView(**kwargs)


# ----------------------------------------------------------------------- packing


def test_pack():
    results = dict(
        img=picture(),
        gt_labels=(0, 3),
        num_foreground=5,
        img_path='p',
        img_id='i',
        valid_box=(0, 4, 1, 7),
        gt_seg_map=np.full((50, 60), 255, np.uint8),
        ori_shape=(50, 60),
    )
    packed = PackWeakInputs().transform(results)
    sample = packed['data_samples']
    same(packed['inputs'].permute(1, 2, 0), results['img'])
    assert packed['inputs'].is_contiguous()
    assert sample.gt_score.tolist() == [1, 0, 0, 1, 0]
    assert sample.valid_box.tolist() == [0, 4, 1, 7]
    assert sample.gt_sem_seg.data.unique().tolist() == [255]
    assert sample.metainfo['gt_labels'] == (0, 3)
    assert math.isclose(sample.gt_score.sum(), 2)
    assert (
        'valid_box'
        not in PackWeakInputs().transform(
            dict(img=picture(), gt_labels=(), num_foreground=5)
        )['data_samples']
    )
