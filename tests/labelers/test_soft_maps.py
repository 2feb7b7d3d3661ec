# Licensed under Apache-2.0.
"""Refined pseudo labels: stacks, merge, de-normalised image, shares."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.cam import IGNORE, denormalise, label_shares, truncate_to_unit
from mmwsss.labelers.soft_maps import background_stacks, merge_high_low
from mmwsss.structures import ImageLabels
from tests.helpers.published_labels import refine_soft_maps, refined_label

MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


def unchanged(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    return maps


def test_truncation() -> None:
    levels = torch.tensor([-3.0, 0.0, 0.99, 1.0, 254.999, 255.0, 260.0])
    assert (truncate_to_unit(levels) * 255).round().tolist() == [
        0,
        0,
        0,
        1,
        254,
        255,
        255,
    ]


def test_denormalise_is_within_one_level() -> None:
    grey = torch.arange(256.0).view(1, 1, 16, 16).expand(1, 3, -1, -1)
    back = truncate_to_unit(denormalise((grey - MEAN) / STD, MEAN, STD)) * 255
    off = (grey - back).round()
    assert set(off.unique().tolist()) <= {0.0, 1.0}  # truncated, never rounded up
    assert (off == 0).float().mean() > 0.9


def test_background_stacks_by_hand() -> None:
    labels = ImageLabels.from_lists([(0, 1), (1,)], 2)
    cam = torch.zeros(2, 2, 1, 1)
    soft = background_stacks(cam, labels, torch.tensor([0.0, 5.0]))
    assert soft.shape == (2, 2, 3, 1, 1)
    torch.testing.assert_close(soft[0, 0].flatten(), torch.full((3,), 1 / 3))
    # the second image has one class: its unused slot counts nothing
    torch.testing.assert_close(soft[1, 0].flatten(), torch.tensor([0.5, 0.5, 0.0]))
    assert soft[0, 1, 0] > 0.98
    torch.testing.assert_close(soft.sum(2), torch.ones(2, 2, 1, 1))


@pytest.mark.parametrize('downscale', [1, 2, 4])
def test_filter_sees_small_maps(downscale: int) -> None:
    labels = ImageLabels.from_lists([(0, 2), (1,)], 3)
    seen = {}

    def refine(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        seen.update(images=tuple(images.shape), maps=tuple(maps.shape))
        return maps

    soft = refine_soft_maps(
        torch.rand(2, 3, 8, 12),
        torch.rand(2, 2, 8, 12),
        labels,
        0.7,
        0.25,
        refine,
        downscale,
    )
    small = (8 // downscale, 12 // downscale)
    assert seen == dict(images=(2, 3, *small), maps=(2, 6, *small))
    assert soft.shape == (2, 2, 3, 8, 12)
    assert (soft[:, 0, 0] > soft[:, 1, 0]).all()  # high background constant first


def test_refined_label_by_hand() -> None:
    """Without a filter: foreground above high, background below low, else ignore."""
    labels = ImageLabels.from_lists([(4,)], 6)
    cam = torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 1, 3)
    box = torch.tensor([[0, 1, 0, 2]])
    images = torch.zeros(1, 3, 1, 3)
    arguments = images, cam, labels, 0.7, 0.25, unchanged
    assert refined_label(*arguments, downscale=1).tolist() == [[[0, 255, 5]]]
    assert refined_label(*arguments, box, downscale=1).tolist() == [[[0, 255, 255]]]


def test_no_label_is_all_background() -> None:
    labels = ImageLabels.from_lists([()], 6)
    label = refined_label(
        torch.rand(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), labels, 0.7, 0.25, unchanged
    )
    assert not label.any()


def test_thresholds_must_be_ordered() -> None:
    labels = ImageLabels.from_lists([(0,)], 1)
    with pytest.raises(ValueError, match='low_thr=0.7, high_thr=0.25'):
        refined_label(
            torch.rand(1, 3, 4, 4), torch.rand(1, 1, 4, 4), labels, 0.25, 0.7, unchanged
        )


ids = st.lists(st.sampled_from([0, 1, 2]), min_size=6, max_size=6)


@settings(max_examples=60, deadline=None)
@given(ids, ids)
def test_merge_high_low(high, low) -> None:
    box = torch.tensor([[0, 2, 0, 2]])  # the last column is padding
    merged = merge_high_low(
        torch.tensor(high).view(1, 2, 3), torch.tensor(low).view(1, 2, 3), box
    )
    for i, (strict, lenient) in enumerate(zip(high, low)):
        if i % 3 == 2:
            expected = IGNORE
        elif strict:
            expected = strict
        else:
            expected = IGNORE if lenient else 0
        assert merged.flatten()[i] == expected


def test_label_shares_by_hand() -> None:
    label = torch.tensor([[[0, 0, 3, 255], [255, 255, 255, 255]]])
    shares = {k: float(v) for k, v in label_shares(label).items()}
    assert shares == dict(label_fg=0.125, label_bg=0.25, label_ignore=0.625)
    box = torch.tensor([[0, 1, 0, 4]])
    inside = {k: float(v) for k, v in label_shares(label, box).items()}
    assert inside == dict(label_fg=0.25, label_bg=0.5, label_ignore=0.25)
    empty = label_shares(label, torch.tensor([[0, 0, 0, 0]]))
    assert all(torch.isfinite(v) and v.dim() == 0 for v in empty.values())
