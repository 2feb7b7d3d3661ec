# Licensed under Apache-2.0.
"""Finished score maps: background, refinement of stacks, decision."""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import IGNORE
from mmwsss.ops import PAR, prob_from_cam
from mmwsss.structures import ImageLabels
from tests.helpers.published_labels import refine_stacks, refined_label, with_background


def test_background_by_hand() -> None:
    cam = torch.tensor([0.9, 0.1]).view(1, 2, 1, 1)
    stack = with_background(cam, [0.5])
    assert stack.shape == (1, 1, 3, 1, 1)
    want = torch.tensor([0.5, 0.9, 0.1]).softmax(0)
    torch.testing.assert_close(stack.flatten(), want)
    assert torch.equal(with_background(cam, alpha=4.0)[:, 0], prob_from_cam(cam, 4.0))


def test_the_high_constant_comes_first() -> None:
    cam = torch.rand(1, 2, 3, 3)
    stacks = with_background(cam, (0.2, 0.7))
    assert torch.equal(stacks, with_background(cam, (0.7, 0.2)))
    assert (stacks[:, 0, 0] > stacks[:, 1, 0]).all()


@pytest.mark.parametrize(
    'settings', [{}, dict(bkg_thr=(0.1, 0.2, 0.3)), dict(bkg_thr=(0.1,), alpha=4.0)]
)
def test_one_background_is_needed(settings: dict) -> None:
    with pytest.raises(ValueError, match='CAMs have no background'):
        with_background(torch.zeros(1, 1, 1, 1), **settings)


def test_two_constants_leave_pixels_open() -> None:
    cam = torch.tensor([0.1, 0.5, 0.9]).view(1, 1, 1, 3)
    slots = refine_stacks(
        torch.zeros(1, 3, 1, 3),
        with_background(cam, (0.25, 0.7)),
        lambda images, maps: maps,
    )
    assert slots.tolist() == [[[0, IGNORE, 1]]]


@pytest.mark.parametrize('per_channel', [True, False])
def test_equals_the_label_of_training(per_channel: bool) -> None:
    """ToCo's refined label, where that works at full size."""
    torch.manual_seed(0)
    images, cam = torch.rand(2, 3, 12, 16), torch.rand(2, 2, 12, 16)
    refine = PAR((1, 2), 3)
    labels = ImageLabels.from_lists([(0, 1), (0, 1)], 2)
    want = refined_label(images, cam, labels, 0.7, 0.25, refine, downscale=1)
    got = refine_stacks(images, with_background(cam, (0.25, 0.7)), refine, per_channel)
    assert torch.equal(got, want) and set(want.unique().tolist()) > {0}
