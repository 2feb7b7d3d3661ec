# Licensed under Apache-2.0.
"""Pictures, table and files of a made-up prediction, whose figures are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mmwsss.apis.app.photo_views import (
    cam_views,
    class_facts,
    confidence_view,
    facts_table,
    mask_view,
    summary,
    write_files,
)
from mmwsss.apis.app.segmented_photo import SegmentedPhoto
from mmwsss.pipeline.predict.photo_prediction import PhotoPrediction
from mmwsss.structures import StoredMaps

PALETTE = [(0, 0, 0), (255, 0, 0), (0, 0, 255)]


@pytest.fixture
def made() -> SegmentedPhoto:
    """20 x 40 pixels: the left half a cat (its last column undecided), then a dog's
    quarter. It is shown at half the size."""
    mask = np.zeros((20, 40), np.uint8)
    mask[:, :20], mask[:, 19], mask[:10, 20:] = 1, 255, 2
    sure = np.where(mask == 1, 0.75, 0.5).astype(np.float32)
    cam = StoredMaps(np.ones((1, 20, 40), np.float32), np.array([1]))
    scores = {'cat': 0.875, '<b>dog': 0.25}
    found = PhotoPrediction('a', None, (20, 40), mask, sure, scores, cam)
    grey = np.full((10, 20, 3), 100, np.uint8)
    return SegmentedPhoto('net', grey, found, ('background', 'cat', '<b>dog'), PALETTE)


def test_the_mask_has_the_colours_of_its_classes(made) -> None:
    view = mask_view(made)
    assert view.shape == (10, 20, 3)
    red, green, blue = view[5, 4].tolist()  # 0.6 of the palette, 0.4 of the photo
    assert (red, green, blue) == (193, 40, 40)
    assert view[2, 15].tolist() == [40, 40, 193]
    assert view[8, 15].tolist() == [45, 45, 45]  # background is the darkened photo


def test_classes_that_are_not_chosen_look_like_background(made) -> None:
    view = mask_view(made, ['cat'])
    assert view[5, 4].tolist() == [193, 40, 40]
    assert view[2, 15].tolist() == [45, 45, 45]


def test_cams_of_the_chosen_classes_that_have_one(made) -> None:
    ((view, name),) = cam_views(made)
    assert name == 'cat' and view.shape == (10, 20, 3)
    assert view[0, 0, 0] > view[0, 0, 2]  # a CAM of 1 is red
    assert cam_views(made, ['<b>dog']) == []
    bare = replace(made.found, cam=None, confidence=None)
    without = replace(made, found=bare)
    assert cam_views(without) == [] and confidence_view(without) is None
    assert [row['confidence'] for row in class_facts(without)] == [None, None]


def test_facts(made) -> None:
    cat, dog = class_facts(made)
    assert cat == dict(
        id=1, name='cat', colour='#ff0000', pixels=380, share=0.475, score=0.875,
        confidence=0.75,
    )  # fmt: skip
    assert (dog['pixels'], dog['share'], dog['confidence']) == (200, 0.25, 0.5)
    assert [row['name'] for row in class_facts(made, ['cat'])] == ['cat']
    assert class_facts(made, ['of another model']) == [cat, dog]
    assert summary(made) == 'a, 40 × 20, by net: cat, <b>dog'


def test_names_of_classes_are_no_markup(made) -> None:
    table = facts_table(made)
    assert '&lt;b&gt;dog' in table and '<b>' not in table
    assert table.index('cat') < table.index('dog')
    assert '47.5 %' in table and '87.5 %' in table


def test_without_a_classifier_there_is_no_column_of_scores(made) -> None:
    assert 'in the photo?' in facts_table(made)
    made.found.scores.clear()
    assert 'in the photo?' not in facts_table(made)


def test_files_hold_all_of_the_photo(made, tmp_path) -> None:
    png, facts = write_files(made, tmp_path)
    with Image.open(png) as picture:
        assert picture.mode == 'P' and picture.getpalette()[3:6] == [255, 0, 0]
        np.testing.assert_array_equal(np.asarray(picture), made.found.mask)
    with open(facts, encoding='utf-8') as file:
        content = json.load(file)
    assert (content['height'], content['width']) == (20, 40)
    assert (content['undecided'], content['mask']) == (20, 'a.png')
    assert content['classes'] == class_facts(made)
