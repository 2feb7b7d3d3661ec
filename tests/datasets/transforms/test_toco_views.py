# Licensed under Apache-2.0.
"""ToCo's views: where each comes from, how often each is coloured."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import functional as tv

from mmwsss.datasets.transforms import functional as F
from mmwsss.datasets.transforms.draw import PhotoParams
from mmwsss.datasets.transforms.toco_views import ToCoParams, ToCoViews, toco_views
from tests.helpers.transforms import fields, picture, same


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


def test_parameters_of_the_colours_are_laid_over_the_published():
    transform = ToCoViews(40, view1=dict(blur_prob=0.0), view2=dict(jitter_prob=0.0))
    params = [transform.draw(random.Random(i), (50, 60)) for i in range(50)]
    assert all(p.view1.radius is None and p.view2.jitter == () for p in params)
    assert any(p.view1.jitter for p in params)


def test_masks_are_refused():
    with pytest.raises(ValueError, match='carries no masks'):
        ToCoViews(40).transform(dict(img=picture(), **fields()))


def test_views_are_cheap():
    """96 pixels: about 2 ms of processor time an image; ten times that fails."""
    transform, img = ToCoViews(96), picture(96, 96)
    start = time.process_time()
    for _ in range(50):
        transform.transform(dict(img=img))
    assert (time.process_time() - start) / 50 < 0.02
