# Licensed under Apache-2.0.
"""Several views of one image: drawn apart, or from a shared result."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from mmwsss.datasets.transforms import functional as F
from mmwsss.datasets.transforms.multi_view import MultiView
from tests.helpers.transforms import picture, run, same

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
