# Licensed under Apache-2.0.
"""Tests of the Shapes generator: what it promises about every picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmwsss.datasets.shapes.patterns import OUTLINES, PATTERNS
from mmwsss.datasets.shapes.scenes import (
    CLASS_LOOKS,
    COMPANIONS,
    PRETRAIN_LABELS,
    SHAPES_CLASSES,
    SHAPES_PALETTE,
    ShapesStyle,
    draw_empty,
    draw_scene,
    draw_single,
)

SCENES = [draw_scene(5, index) for index in range(60)]


def test_same_seed_and_index_give_the_same_picture():
    again = draw_scene(5, 7)
    np.testing.assert_array_equal(again.image, SCENES[7].image)
    np.testing.assert_array_equal(again.mask, SCENES[7].mask)
    assert again.labels == SCENES[7].labels


@pytest.mark.parametrize('seed, index', [(5, 8), (6, 7)])
def test_other_seed_or_index_gives_another_picture(seed, index):
    assert (draw_scene(seed, index).image != SCENES[7].image).mean() > 0.5


def test_shapes_dtypes_and_ranges():
    for scene in SCENES:
        assert scene.image.shape == (96, 96, 3) and scene.image.dtype == np.uint8
        assert scene.mask.shape == (96, 96) and scene.mask.dtype == np.uint8
        assert scene.mask.max() < len(SHAPES_CLASSES)
        assert scene.image.std() > 5


def test_labels_are_the_classes_of_the_mask():
    for scene in SCENES:
        assert scene.labels == tuple(c for c in np.unique(scene.mask) if c)
        assert 1 <= len(scene.labels) <= 3


def test_parts_lie_inside_bodies_and_are_the_smaller_share():
    for scene in SCENES:
        assert scene.part.any()
        assert (scene.mask[scene.part] > 0).all()
    part = sum(scene.part.sum() for scene in SCENES)
    body = sum((scene.mask > 0).sum() for scene in SCENES)
    assert 0.05 < part / body < 0.35


def test_part_carries_more_texture_than_the_body():
    style = ShapesStyle(noise=0.0, clutter=0.0, distractors=0.0)
    part, body = [], []
    for index in range(20):
        scene = draw_scene(9, index, style=style)
        grey = scene.image.mean(2)
        steps = np.abs(np.diff(grey, axis=1))
        inside = scene.mask[:, 1:] > 0
        part.append(steps[scene.part[:, 1:]].mean())
        body.append(steps[inside & ~scene.part[:, 1:]].mean())
    assert np.mean(part) > 1.5 * np.mean(body)


def test_classes_occur_about_equally_and_companions_together():
    labels = [draw_scene(3, index, size=32).labels for index in range(400)]
    shares = [np.mean([c in found for found in labels]) for c in range(1, 7)]
    assert min(shares) > 0.15 and max(shares) < 0.55
    several = [found for found in labels if len(found) > 1]
    left, right = 1, COMPANIONS[1]
    with_left = [found for found in several if left in found]
    without = [found for found in several if left not in found]
    assert np.mean([right in f for f in with_left]) > np.mean(
        [right in f for f in without]
    )


def test_style_without_distractors_differs():
    style = replace(ShapesStyle(), clutter=0.0)
    assert (draw_scene(5, 7, style=style).image != SCENES[7].image).any()


def test_every_class_looks_like_something():
    assert len(CLASS_LOOKS) + 1 == len(SHAPES_CLASSES) == len(SHAPES_PALETTE)
    for texture, outline in CLASS_LOOKS:
        assert texture in PATTERNS and outline in OUTLINES
        assert (texture, outline) in PRETRAIN_LABELS
    outlines = [outline for _, outline in CLASS_LOOKS]
    assert all(outlines.count(outline) == 2 for outline in outlines)


@pytest.mark.parametrize('name', PATTERNS)
def test_patterns_stay_in_range_and_vary(name):
    axis = np.linspace(0, 6, 90, dtype=np.float32)
    values = PATTERNS[name](axis[None], axis[:, None])
    values = np.broadcast_to(values, (90, 90))
    assert np.abs(values).max() <= 1.3 and values.std() > 0.3


def test_single_pictures_are_deterministic_and_cover_the_labels():
    image, label = draw_single(11, 3)
    again, same = draw_single(11, 3)
    np.testing.assert_array_equal(image, again)
    assert label == same and image.shape == (96, 96, 3)
    labels = {draw_single(11, index, size=32)[1] for index in range(400)}
    assert labels == set(range(len(PRETRAIN_LABELS)))


def test_empty_pictures_are_deterministic_and_vary():
    image = draw_empty(11, 3)
    np.testing.assert_array_equal(image, draw_empty(11, 3))
    assert image.shape == (96, 96, 3) and image.dtype == np.uint8
    assert (image != draw_empty(11, 4)).mean() > 0.5


@pytest.mark.parametrize('seed, index, size', [(-1, 0, 96), (0, -1, 96), (0, 0, 8)])
def test_bad_input_is_named(seed, index, size):
    with pytest.raises(ValueError, match='must be'):
        draw_scene(seed, index, size)
