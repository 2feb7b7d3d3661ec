# Licensed under Apache-2.0.
"""Rasterised instances."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as tools

from mmwsss.datasets.coco_masks import class_mask, instance_mask, rle_mask

SQUARE = [2, 1, 6, 1, 6, 4, 2, 4]


def box(y0, y1, x0, x1, shape=(8, 10)):
    mask = np.zeros(shape, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_polygons():
    np.testing.assert_array_equal(instance_mask([SQUARE], (8, 10)), box(1, 4, 2, 6))
    both = instance_mask([SQUARE, [0, 5, 3, 5, 3, 8, 0, 8]], (8, 10))
    np.testing.assert_array_equal(both, box(1, 4, 2, 6) | box(5, 8, 0, 3))


def test_polygons_out_of_the_picture_are_cut():
    mask = instance_mask([[-3, -3, 30, -3, 30, 30, -3, 30]], (8, 10))
    assert mask.all()


def test_runs():
    np.testing.assert_array_equal(
        rle_mask([3, 2, 3], (2, 4)), [[0, 0, 1, 0], [0, 1, 0, 0]]
    )
    # COCO's string for the same runs: one character each, offset 48
    np.testing.assert_array_equal(rle_mask('323', (2, 4)), rle_mask([3, 2, 3], (2, 4)))


def test_equal_to_cocos_own_tools():
    rng = np.random.default_rng(0)
    for _ in range(300):
        height, width = rng.integers(1, 60, 2).tolist()
        points = rng.random((rng.integers(3, 9), 2)) * [width * 1.4, height * 1.4]
        polygon = (points - [width * 0.2, height * 0.2]).round(2).ravel().tolist()
        runs = tools.merge(tools.frPyObjects([polygon], height, width))
        expected = tools.decode(runs).astype(bool)
        np.testing.assert_array_equal(
            instance_mask([polygon], (height, width)), expected
        )
        np.testing.assert_array_equal(
            rle_mask(runs['counts'].decode(), (height, width)), expected
        )


def annotation(index, category, polygon, area, crowd=0):
    return dict(
        id=index, category_id=category, segmentation=[polygon], area=area, iscrowd=crowd
    )


def test_smaller_objects_and_single_objects_are_on_top():
    everything = [0, 0, 10, 0, 10, 8, 0, 8]
    objects = [
        annotation(1, 7, SQUARE, 12),
        annotation(2, 9, everything, 80),
        annotation(3, 9, [2, 1, 4, 1, 4, 2, 2, 2], 2, crowd=1),
    ]
    mask = class_mask(objects, {7: 1, 9: 2}, (8, 10))
    np.testing.assert_array_equal(mask, np.where(box(1, 4, 2, 6), 1, 2))
    turned = class_mask(objects[::-1], {7: 1, 9: 2}, (8, 10))
    np.testing.assert_array_equal(turned, mask)
    assert mask.dtype == np.uint8


def test_bad_input():
    with pytest.raises(ValueError, match='three corners'):
        instance_mask([[0, 0, 1, 1]], (8, 10))
    with pytest.raises(ValueError, match='add up to 3'):
        rle_mask([3], (8, 10))
    with pytest.raises(ValueError, match='add up to 5, not to 2x4'):
        rle_mask('32', (2, 4))


@pytest.mark.parametrize('corner', [float('nan'), float('inf'), 1e308, -(2.0**20)])
def test_corners_that_are_no_place_are_refused(corner):
    """pycocotools itself would end the process."""
    with pytest.raises(ValueError, match='has a corner at'):
        instance_mask([[0, 0, 1, corner, 4, 4]], (8, 10))


def test_an_annotation_without_a_polygon_is_empty():
    assert not instance_mask([], (8, 10)).any()
