# Licensed under Apache-2.0.
"""Thresholds, boxes and pair targets, also exactly on their borders."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.cam import (
    IGNORE,
    affinity_targets,
    box_mask,
    fuse_cams,
    keep_known,
    outside_box_to_ignore,
    scale_box,
    strongest_class,
    three_way_label,
    threshold_label,
)
from mmwsss.methods.toco.local_crops import roi_levels
from mmwsss.structures import ImageLabels

LOW, HIGH = 0.25, 0.75
#: below, on and above both thresholds (all exact in binary)
SCORE = torch.tensor([[[0.125, 0.25, 0.5, 0.75, 0.875]]])
LABEL = torch.full((1, 1, 5), 7)


def test_strongest_class_by_hand() -> None:
    cam = torch.tensor([[[[0.1, 0.5, 0.0]], [[0.3, 0.5, 0.0]]]])
    score, label = strongest_class(cam)
    torch.testing.assert_close(score, torch.tensor([[[0.3, 0.5, 0.0]]]))
    assert label.tolist() == [[[2, 1, 1]]]  # the lowest class wins ties
    assert strongest_class(cam, torch.tensor([[4, 9]]))[1].tolist() == [[[9, 4, 4]]]


def test_an_image_without_classes_is_background() -> None:
    for ids in (None, torch.zeros(2, 0, dtype=torch.long)):
        score, label = strongest_class(torch.zeros(2, 0, 3, 5), ids)
        assert score.dtype == torch.float32 and label.dtype == torch.int64
        assert score.shape == label.shape == (2, 3, 5) and not label.any()
        assert not threshold_label(score, label, 0.2).any()


def test_borders_of_the_thresholds() -> None:
    assert threshold_label(SCORE, LABEL, LOW).tolist() == [[[0, 0, 7, 7, 7]]]
    three = three_way_label(SCORE, LABEL, LOW, HIGH)
    assert three.tolist() == [[[0, 0, 255, 255, 7]]]  # class only above HIGH
    assert roi_levels(SCORE, LOW, HIGH).tolist() == [[[0, 0, 1, 2, 2]]]  # from HIGH on
    # one threshold for both: "uncertain" is empty, and low wins on the border
    assert roi_levels(SCORE, 0.5, 0.5).tolist() == [[[0, 0, 0, 2, 2]]]
    assert three_way_label(SCORE, LABEL, 0.5, 0.5).tolist() == [[[0, 0, 0, 7, 7]]]


@pytest.mark.parametrize('low,high', [(0.7, 0.3), (-0.1, 0.5), (0.2, 1.1)])
@pytest.mark.parametrize('rule', [roi_levels, three_way_label])
def test_thresholds_must_be_ordered(rule, low: float, high: float) -> None:
    arguments = (SCORE,) if rule is roi_levels else (SCORE, LABEL)
    with pytest.raises(ValueError, match=f'low_thr={low}, high_thr={high}'):
        rule(*arguments, low, high)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_three_way_is_a_partition(seed: int, one: float, other: float) -> None:
    """Every pixel is background, ignored or of its class; thresholds only move it."""
    low, high = sorted((one, other))
    generator = torch.Generator().manual_seed(seed)
    score = torch.rand(2, 4, 5, generator=generator)
    label = torch.randint(1, 6, (2, 4, 5), generator=generator)
    three = three_way_label(score, label, low, high)
    parts = [three == 0, three == IGNORE, three == label]
    assert (sum(p.long() for p in parts) == 1).all()
    # it never contradicts the evaluation label at a threshold in between
    middle = threshold_label(score, label, (low + high) / 2)
    known = three != IGNORE
    assert torch.equal(three[known], middle[known])
    # confident foreground of the ROI map and of the label agree off the border
    off_border = (score != high) & (score != low)
    roi = roi_levels(score, low, high)
    assert torch.equal((roi == 2)[off_border], (three == label)[off_border])
    assert torch.equal(roi == 0, three == 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_box_mask(numbers) -> None:
    y0, y1, x0, x1 = numbers  # also empty and reversed boxes
    mask = box_mask(torch.tensor([[y0, y1, x0, x1]]), (5, 6))
    expected = [[y0 <= y < y1 and x0 <= x < x1 for x in range(6)] for y in range(5)]
    assert mask[0].tolist() == expected
    label = torch.arange(30).view(1, 5, 6)
    out = outside_box_to_ignore(label, torch.tensor([[y0, y1, x0, x1]]))
    assert torch.equal(out == IGNORE, ~mask)
    assert torch.equal(out[mask], label[mask])


def test_without_a_box_nothing_is_ignored() -> None:
    assert outside_box_to_ignore(LABEL, None) is LABEL
    box = torch.tensor([[0, 1, 1, 3]])
    assert three_way_label(SCORE, LABEL, LOW, HIGH, box).tolist() == [
        [[255, 0, 255, 255, 255]]
    ]


def test_scale_box_by_hand() -> None:
    box = torch.tensor([[0, 448, 0, 448], [16, 33, 17, 31], [0, 447, 1, 448]])
    assert scale_box(box, (448, 448), (28, 28)).tolist() == [
        [0, 28, 0, 28],
        [1, 2, 2, 1],
        [0, 27, 1, 28],
    ]  # the second: no whole cell


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_scale_box_keeps_whole_cells_exactly(data) -> None:
    """Equal to rational arithmetic; the whole box stays whole at every ratio."""
    side = st.integers(1, 600)
    (h, w, gh, gw) = (data.draw(side) for _ in range(4))
    y0, y1 = sorted(data.draw(st.integers(0, h)) for _ in range(2))
    x0, x1 = sorted(data.draw(st.integers(0, w)) for _ in range(2))
    boxes = torch.tensor([[y0, y1, x0, x1], [0, h, 0, w]])
    got = scale_box(boxes, (h, w), (gh, gw))
    fy, fx = Fraction(gh, h), Fraction(gw, w)
    assert got[0].tolist() == [
        ceil(y0 * fy),
        floor(y1 * fy),
        ceil(x0 * fx),
        floor(x1 * fx),
    ]
    assert got[1].tolist() == [0, gh, 0, gw]
    assert got.dtype == torch.long


def test_affinity_by_hand() -> None:
    targets = affinity_targets(torch.tensor([[[0, 3], [0, IGNORE]]]))
    assert targets.tolist() == [
        [[255, 0, 1, 255], [0, 255, 0, 255], [1, 0, 255, 255], [255, 255, 255, 255]]
    ]
    assert targets.dtype == torch.uint8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2, IGNORE]), min_size=6, max_size=6))
def test_affinity_against_pairs(tokens) -> None:
    targets = affinity_targets(torch.tensor(tokens).view(1, 2, 3))[0]
    assert torch.equal(targets, targets.T)
    for i, first in enumerate(tokens):
        for j, second in enumerate(tokens):
            expected = (
                255 if i == j or IGNORE in (first, second) else int(first == second)
            )
            assert targets[i, j] == expected


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_labels_are_the_same_from_half_logits(dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(2, 4, 7, 7, generator=generator).to(dtype)
    labels = ImageLabels.from_lists([(0, 2), (1,)], 4)
    results = []
    for values in (half, half.float()):
        cam = labels.valid(fuse_cams([(labels.gather(values),) * 2], (28, 28)))
        score, label = strongest_class(cam, labels.ids)
        results.append(three_way_label(score, label, LOW, HIGH))
    assert torch.equal(*results)
    assert len(results[0].unique()) > 3


# ------------------------------------------------------------------ what is known
def test_known_pixels_replace_labels() -> None:
    """A class, background and what was ignored; all else stays, whatever the types."""
    ids = torch.tensor([[[1, 2, IGNORE, 0]]])
    partial = torch.tensor([[[3, 0, 2, IGNORE]]], dtype=torch.uint8)
    kept = keep_known(ids, partial)
    assert kept.tolist() == [[[3, 0, 2, 0]]] and kept.dtype == ids.dtype
    assert ids.tolist() == [[[1, 2, IGNORE, 0]]]
    assert keep_known(ids, None) is ids
    nothing = torch.full_like(partial, IGNORE)
    assert torch.equal(keep_known(ids, nothing), ids)


def test_known_pixels_of_another_size() -> None:
    with pytest.raises(ValueError, match=r'\(1, 4, 4\).*\(1, 2, 2\).*one shape'):
        keep_known(torch.zeros(1, 4, 4).long(), torch.zeros(1, 2, 2).long())
