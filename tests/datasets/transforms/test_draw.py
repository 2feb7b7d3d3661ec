# Licensed under Apache-2.0.
"""Random boxes and places keep their ranges."""

from __future__ import annotations

import random

import pytest

from mmwsss.datasets.transforms import draw


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
