# Licensed under Apache-2.0.
"""Places and tags of SeCo's crops against the released function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmwsss.cam import cut_crops, places_of_crops
from mmwsss.methods.seco.crop_tags import UNSURE, tag_map
from mmwsss.methods.seco.fixed_draw import ranked_corners
from mmwsss.methods.seco.tagged_crops import TaggedCrops
from mmwsss.structures import ImageLabels
from tests.goldens.seco_model import below, cases, equal, tensors


@pytest.fixture
def every(golden) -> list[dict[str, torch.Tensor]]:
    """The arrays of each case."""
    data = golden('seco_crops')
    return [tensors(below(data, f'{case}/')) for case in cases(data)]


def present(multi_hot: torch.Tensor) -> ImageLabels:
    lists = [np.flatnonzero(row).tolist() for row in multi_hot.numpy()]
    return ImageLabels.from_lists(lists, multi_hot.shape[1])


def tagger(case: dict[str, torch.Tensor], **settings) -> TaggedCrops:
    num, size = int(case['crop_num']), int(case['crop_size'])
    return TaggedCrops(num, size, threshold=float(case['tag_threshold']), **settings)


def test_map_of_tags(every) -> None:
    for case in every:
        labels = present(case['labels'])
        cam = labels.valid(labels.gather(case['cam']))
        thresholds = float(case['low']), float(case['high'])
        equal(tag_map(cam, labels.ids, *thresholds, case['box']), case['roi'])


def test_places_and_tags(every) -> None:
    """From the CAM to the tags in one call, the seeded shuffle included."""
    for case in every:
        labels = present(case['labels'])
        cam = labels.valid(labels.gather(case['cam']))
        thresholds = float(case['low']), float(case['high'])
        torch.manual_seed(7)
        before = torch.get_rng_state()
        found = tagger(case)(cam, labels, thresholds, case['box'])
        assert torch.equal(before, torch.get_rng_state())  # no generator is touched
        equal(found.roi, case['roi'])
        equal(found.corners, case['corners'])
        equal(found.tags, case['tags'])


def test_candidates_and_ranks(every) -> None:
    for case in every:
        num, size = int(case['crop_num']), int(case['crop_size'])
        candidates = places_of_crops(case['roi'] == UNSURE, size, num)
        equal(candidates.sum((1, 2)), case['n_candidates'])
        equal(ranked_corners(candidates, case['picked']), case['corners'])


def test_crops(every) -> None:
    for case in every:
        equal(cut_crops(case['images'], case['corners'], int(case['crop_size'])),
              case['crops'])  # fmt: skip


def test_tags_of_given_places(every) -> None:
    """Free of the generator: from the stored map and places."""
    for case in every:
        tags = tagger(case).tags(case['roi'], case['corners'], present(case['labels']))
        equal(tags, case['tags'])
