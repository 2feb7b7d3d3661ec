# Licensed under Apache-2.0.
"""Crops of uncertain regions: places, tags, and the options of both."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmwsss.methods.seco.crop_tags import (
    crop_tags,
    image_class,
    only_class,
    single_label,
    tag_map,
)
from mmwsss.methods.seco.fixed_draw import first_draws, first_ranks, ranked_corners
from mmwsss.methods.seco.tagged_crops import TaggedCrops
from mmwsss.structures import ImageLabels

CORNER = torch.zeros(1, 1, 2, dtype=torch.long)


def labels_of(*lists: tuple[int, ...]) -> ImageLabels:
    return ImageLabels.from_lists(lists, 20)


# ------------------------------------------------------------------------- places
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 5000), st.integers(0, 2**31))
def test_ranks_are_those_of_a_seeded_shuffle(num: int, more: int, seed: int) -> None:
    """Also where steps of the shuffle meet, with few candidates."""
    counts = torch.tensor([num + more, num, num + 1])
    found = first_ranks(first_draws(num, seed), counts)
    for count, ranks in zip(counts.tolist(), found, strict=True):
        generator = torch.Generator().manual_seed(seed)
        expected = torch.randperm(count, generator=generator)[:num]
        assert torch.equal(ranks, expected)


def test_ranks_of_a_large_map() -> None:
    count = 384 * 384  # of VOC
    expected = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:10]
    assert torch.equal(first_ranks(first_draws(10), torch.tensor([count]))[0], expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_ranked_corners_number_the_candidates_row_by_row(seed: int) -> None:
    torch.manual_seed(seed)
    candidates = torch.rand(3, 5, 7) < 0.5
    candidates[:, 2, 3] = candidates[:, 4, 0] = True
    ranks = torch.stack([candidates.sum((1, 2)) - 1, torch.zeros(3).long()], 1)
    for image, own, corners in zip(
        candidates, ranks, ranked_corners(candidates, ranks), strict=True
    ):
        assert torch.equal(image.nonzero()[own], corners)


@pytest.mark.parametrize('draw', ['fixed', 'free'])
def test_draws(draw: str) -> None:
    """Fixed places follow from the candidates alone; free ones from the generator."""
    crops = TaggedCrops(4, 4, draw=draw)
    candidates = torch.ones(2, 9, 9, dtype=torch.bool)
    draws = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        draws.append(crops.corners(candidates))
    assert torch.equal(*draws) == (draw == 'fixed')
    assert torch.equal(draws[0][0], draws[0][1]) == (draw == 'fixed')
    with pytest.raises(ValueError, match='crop_num=4.*only 3 positions'):
        crops.corners(torch.ones(1, 1, 3, dtype=torch.bool))


def test_the_draws_are_no_state() -> None:
    assert not TaggedCrops(4, 4).state_dict()


# ------------------------------------------------------------------------- tags
def test_map_of_tags() -> None:
    cam = torch.tensor([[[[0.25, 0.26, 0.7, 0.71, 0.9, 0.9]]]])
    box = torch.tensor([[0, 1, 0, 5]])
    ids = torch.tensor([[7]])
    assert tag_map(cam, ids, 0.25, 0.7, box).tolist() == [[[0, -1, -1, 7, 7, 255]]]
    assert tag_map(cam, ids, 0.25, 0.7).tolist() == [[[0, -1, -1, 7, 7, 7]]]


def test_only_class() -> None:
    maps = torch.tensor([[[0, 3], [3, -1]], [[0, 3], [2, 0]], [[0, -1], [0, -1]]])
    assert only_class(maps).tolist() == [3, -1, 0]


def test_class_of_an_image() -> None:
    labels = labels_of((4, 6), (4,), (), (4, 6))
    certain = torch.zeros(4, 3, 3, dtype=torch.long)
    certain[0, 0] = certain[3, 0] = 5
    certain[3, 1] = 7
    # the second label of image 0 has no certain pixel; image 1 has none at all
    assert image_class(certain, labels).tolist() == [5, 0, 0, -1]
    assert image_class(certain, labels, 'labels').tolist() == [-1, 5, 0, -1]
    assert single_label(labels).tolist() == [-1, 5, -1, -1]


def tag_of(roi: Tensor, image: int = -1, threshold: float = 0.25, weight='id') -> int:
    """The tag of a crop that is the whole map."""
    side = roi.shape[-1]
    image_tag = torch.tensor([image])
    return crop_tags(roi[None], image_tag, CORNER, side, threshold, weight).item()


def test_tags_of_a_crop() -> None:
    roi = torch.zeros(4, 4, dtype=torch.long)
    roi[0] = -1  # a quarter is uncertain: not above the threshold
    assert tag_of(roi) == 0
    roi[1, 0] = -1  # now it is; no class is certain
    assert tag_of(roi) == -1
    assert tag_of(roi, image=6) == 6  # of an image of one class
    roi[1, 0] = 3
    assert tag_of(roi) == 3
    roi[1, 1] = 2
    assert tag_of(roi) == -1  # two classes


def test_certain_pixels_count_their_class_id() -> None:
    """As released: one pixel in sixteen is enough for class 5, not for class 4."""
    roi = torch.zeros(4, 4, dtype=torch.long)
    tags = {}
    for weight in ('id', 'one'):
        for class_id in (4, 5):
            roi[2, 2] = class_id
            tags[weight, class_id] = tag_of(roi, weight=weight)
    assert tags == {('id', 4): 0, ('id', 5): 5, ('one', 4): 0, ('one', 5): 0}


def test_outside_of_the_picture_is_background() -> None:
    roi = torch.full((4, 4), 255)
    assert tag_of(roi) == 0
    roi[0, :2] = 9
    assert tag_of(roi) == 9


@pytest.mark.parametrize(
    'setting,views',
    [({}, [1, 8, -1]), (dict(empty_tag=-1), [-1, 8, -1]),
     (dict(single_class='labels'), [3, -1, -1])],
)  # fmt: skip
def test_tags_of_the_global_views(setting: dict, views: list[int]) -> None:
    """Nothing certain; one class of two certain; two."""
    roi = torch.zeros(3, 8, 8, dtype=torch.long)
    roi[1, 0, :3] = roi[2, 0, :3] = 8
    roi[2, 1, :3] = 5
    corners = torch.zeros(3, 2, 2, dtype=torch.long)
    crops = TaggedCrops(2, 4, **setting)
    tags = crops.tags(roi, corners, labels_of((2,), (4, 7), (4, 7)))
    assert tags.shape == (3, 4) and torch.equal(tags[:, 0], tags[:, 1])
    assert tags[:, 0].tolist() == views


def test_the_tag_of_an_empty_image_is_no_class_of_its_pixels() -> None:
    """Class 1 for both views of an image without a certain pixel, not for its crops."""
    roi = torch.full((1, 8, 8), -1)
    tags = TaggedCrops(1, 4).tags(roi, CORNER, labels_of((2,)))
    assert tags.tolist() == [[1, 1, -1]]


@pytest.mark.parametrize(
    'setting,message',
    [
        (dict(tag_weight='two'), "tag_weight must be one of .*got 'two'"),
        (dict(draw='random'), "local_crops.draw must be one of .*got 'random'"),
        (dict(single_class='image'), 'single_class must be one of'),
        (dict(empty_tag=0), r'empty_tag must be one of \(1, -1\), got 0'),
        (dict(crop_num=0), 'crop_num >= 1 and crop_size >= 2, got 0 and 4'),
    ],
)
def test_bad_settings(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TaggedCrops(**dict(crop_num=2, crop_size=4) | setting)


CROPS, LABELS = TaggedCrops(3, 4), labels_of((2, 5), (9,))


def whole(cam: Tensor, box: Tensor) -> tuple[Tensor, ...]:
    return tuple(CROPS(cam, LABELS, (0.25, 0.7), box))


def test_full_graph() -> None:
    """It traces as one graph, without a look at values."""
    torch.manual_seed(0)
    inputs = torch.rand(2, 2, 12, 12), torch.tensor([[0, 9, 2, 12], [3, 12, 0, 12]])
    compiled = torch.compile(whole, backend='eager', fullgraph=True)
    for ours, theirs in zip(whole(*inputs), compiled(*inputs), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_on_the_gpu() -> None:
    """The same places and tags as on the CPU, and the host doesn't wait."""
    torch.manual_seed(0)
    inputs = torch.rand(2, 2, 12, 12), torch.tensor([[0, 9, 2, 12], [3, 12, 0, 12]])
    crops, labels = TaggedCrops(3, 4).cuda(), ImageLabels(*(t.cuda() for t in LABELS))
    on_gpu = [t.cuda() for t in inputs]
    torch.cuda.set_sync_debug_mode('error')
    try:
        found = crops(on_gpu[0], labels, (0.25, 0.7), on_gpu[1])
    finally:
        torch.cuda.set_sync_debug_mode('default')
    for ours, theirs in zip(whole(*inputs), found, strict=True):
        assert torch.equal(ours, theirs.cpu())
