# Licensed under Apache-2.0.
"""Pad, crop and box against the published functions' results."""

from __future__ import annotations

import numpy as np
from PIL import Image

from mmwsss.datasets.transforms import functional as F
from mmwsss.datasets.transforms.draw import PhotoParams
from mmwsss.datasets.transforms.toco_views import ToCoParams, toco_views


def cases(data: dict) -> list[tuple]:
    """(image, crop, crop size, pad, start, box) of each row of the table."""
    out = []
    for i, row in enumerate(data['table'].tolist()):
        height, width, size, pad_y, pad_x, crop_y, crop_x, *box = row
        image = data[f'image_{i}']
        assert image.shape[:2] == (height, width)
        out.append(
            (
                image,
                data[f'crop_{i}'],
                (size, size),
                (pad_y, pad_x),
                (crop_y, crop_x),
                tuple(box),
            )
        )
    return out


def test_pad_crop(golden):
    for image, crop, size, pad, start, box in cases(golden('toco_random_crop')):
        np.testing.assert_array_equal(F.pad_crop(image, size, pad, start), crop)
        assert F.crop_box(image.shape[:2], size, pad, start) == box


def test_box_holds_exactly_the_real_pixels(golden):
    for image, crop, size, pad, start, (y0, y1, x0, x1) in cases(
        golden('toco_random_crop')
    ):
        inside = F.pad_crop(np.ones(image.shape[:2], np.uint8), size, pad, start)
        expected = np.zeros(crop.shape[:2], np.uint8)
        expected[y0:y1, x0:x1] = 1
        np.testing.assert_array_equal(inside, expected)


def test_whole_view_without_colour_changes(golden):
    """Scale 1 and no colour change leave the crop (view 1) and its mirror image."""
    for image, crop, size, pad, start, box in cases(golden('toco_random_crop')):
        params = ToCoParams(
            scale=1.0,
            flip=False,
            pad_yx=pad,
            crop_yx=start,
            view1=PhotoParams(),
            local=PhotoParams(flip=True),
            view2_box=(0, 20, 0, 20),
            view2=PhotoParams(),
        )
        views, found = toco_views(Image.fromarray(image), params, size)
        np.testing.assert_array_equal(views['view1'], crop)
        np.testing.assert_array_equal(views['local'], crop[:, ::-1])
        assert found == box
