# Licensed under Apache-2.0.
"""The arithmetic of the transforms is that of PIL and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from torchvision.transforms import functional as tv

from mmwsss.datasets.transforms import functional as F
from tests.helpers.transforms import picture, same


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
    assert F.scaled_shape((33, 61), 1.499) == (49, 91)
    assert F.scaled_shape((1, 3), 0.3) == (1, 1)


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
