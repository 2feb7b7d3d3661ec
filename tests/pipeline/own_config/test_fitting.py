# Licensed under Apache-2.0.
"""Crop, lengths and iterations that follow from a data set."""

from __future__ import annotations

import pytest

from mmwsss.pipeline.own_config.fit_run import (
    fit_crop,
    fit_iterations,
    iterations_in,
    validation_interval,
)
from mmwsss.pipeline.own_config.fitted_pipeline import crop_of, fit_pipeline
from mmwsss.pipeline.own_config.scaled_settings import (
    changed,
    scale_lengths,
    scale_schedules,
)
from mmwsss.testing import load_config


@pytest.mark.parametrize(
    'size,usual,expected',
    [
        ((375, 500), 224, (224, None)),
        ((375, 500), 448, (384, None)),
        ((3000, 4000), 224, (224, 320)),
        ((256, 256), 224, (224, None)),
        ((130, 200), 224, (160, None)),
        ((64, 64), 224, (96, 96)),
        ((20, 300), 224, (96, None)),
    ],
)
def test_crop(size, usual, expected) -> None:
    assert fit_crop(size, usual) == expected


def test_a_method_may_need_a_larger_crop() -> None:
    assert fit_crop((96, 128), 224, 128) == (128, None)
    assert fit_crop((48, 48), 224, 128) == (128, 128)
    assert fit_crop((375, 500), 224, 128) == (224, None)
    more = load_config('configs/more/more_deit-t_folder.py')
    assert more.least_crop == 128


def test_iterations() -> None:
    assert [fit_iterations(n, 4) for n in (10, 2651, 10582, 10**6)] == [
        1000, 5300, 20000, 20000
    ]  # fmt: skip
    assert iterations_in(55, 1, 4, 224, 2, False) == 2000
    assert iterations_in(55, 1, 4, 112, 2, False) == 8000
    assert iterations_in(0.001, 8, 4, 224, 2, False) == 20


@pytest.mark.parametrize('iterations', [1, 4, 249, 600, 1000, 5300, 20000])
def test_validations(iterations) -> None:
    interval = validation_interval(iterations)
    assert 1 <= -(-iterations // interval) <= 4
    assert interval >= min(iterations, 250)


def test_what_begins_later_begins_in_proportion() -> None:
    old = dict(
        weights=dict(cls=1.0, seg=[(0, 0.0), (300, 0.1)]),
        mask=dict(strategy=[(0, 'random'), (400, 'uncertain')], scales=(1.0, 0.5)),
        teacher_temp=dict(start=0.04, end=0.07, iters=250),
        rates=[dict(type='PolyWarmupLR', warmup_iters=100, power=0.9)],
        dilations=(1, 2),
    )
    new = scale_schedules(old, 0.5)
    assert new['weights'] == dict(cls=1.0, seg=[(0, 0.0), (150, 0.1)])
    assert new['mask'] == dict(
        strategy=[(0, 'random'), (200, 'uncertain')], scales=(1.0, 0.5)
    )
    assert new['teacher_temp']['iters'] == 125
    assert new['rates'][0] == dict(type='PolyWarmupLR', warmup_iters=50, power=0.9)
    assert new['dilations'] == (1, 2)
    short = scale_schedules(old, 0.001)
    assert short['weights']['seg'] == [(0, 0.0), (1, 0.1)]


def test_lengths() -> None:
    model = load_config('configs/toco/toco_deit-t_folder.py').to_dict()['model']
    small = scale_lengths(model, 96 / 224)
    assert small['labeler']['refiner']['dilations'] == (1, 2, 3, 5)
    assert small['decode_head']['dilation'] == 1
    assert small['train_cfg']['local_crops']['crop_size'] == 32
    assert model['train_cfg']['local_crops']['crop_size'] == 64
    assert changed(model, small)['decode_head'] == dict(dilation=1)
    pyramid = load_config('configs/seco/seco_deit-t_folder.py').to_dict()['model']
    assert scale_lengths(pyramid, 2)['decode_head']['dilations'] == (6, 12, 18, 24)


def test_changed_says_lists_whole_and_knows_tuples() -> None:
    old = dict(a=1, b=dict(c=[1, 2], d=(3, [4])), e=None)
    assert changed(old, dict(a=1, b=dict(c=(1, 2), d=[3, (4,)]), e=None)) == {}
    new = dict(a=2, b=dict(c=[1, 3], d=(3, [4])), f=5)
    assert changed(old, new) == dict(a=2, b=dict(c=[1, 3]), f=5)


def test_pipelines() -> None:
    views = [dict(type='PILRandomResizedCrop', size=224), dict(type='PILRandomGrey')]
    steps = [
        dict(type='LoadPicture'),
        dict(type='MultiView', views=dict(view1=views, view2=views)),
        dict(type='PILColorJitter', brightness=0.4, saturation=0.2, hue=0.1),
        dict(type='ToCoViews', crop_size=224, view1=dict(blur_prob=1.0)),
    ]
    assert crop_of(steps) == 224 and crop_of(steps[:1]) is None
    assert fit_pipeline(steps, 224, 224, None) == steps
    found = fit_pipeline(steps, 96, 224, 320, bands=5)
    assert found[1] == dict(type='PILResizeLongSide', side_range=(320, 320))
    assert found[2]['views']['view2'] == [dict(type='PILRandomResizedCrop', size=96)]
    assert found[3] == dict(type='PILColorJitter', brightness=0.4)
    plain = dict(jitter=(0.4, 0.4, 0, 0), grey_prob=0)
    assert found[4]['crop_size'] == 96 and found[4]['local'] == plain
    assert found[4]['view1'] == dict(blur_prob=1.0, **plain)
