# Licensed under Apache-2.0.
"""Refinement inside boxes: equal to cutting every image to its box."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmwsss.methods.afa.box_refine import (
    BoxGeometry,
    linear_weights,
    par_in_boxes,
    refined_propagated_label,
    whole_images,
)
from mmwsss.ops import PAR, par
from mmwsss.structures import ImageLabels

SETTINGS = dict(dilations=(1, 2, 5), num_iters=4)


def smooth(
    channels: int, size: tuple[int, int], batch: int = 2, seed: int = 0
) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, channels, 4, 5, generator=generator)
    return F.interpolate(coarse, size, mode='bicubic').clamp(0, 1)


def cut_and_refine(
    images: Tensor, maps: Tensor, boxes: Tensor, downscale: int = 2
) -> Tensor:
    """One image after the other, cut to its box."""
    out = torch.zeros_like(maps)
    for image, (y0, y1, x0, x1) in enumerate(boxes.tolist()):
        part = (slice(image, image + 1), slice(None), slice(y0, y1), slice(x0, x1))
        small = F.interpolate(
            images[part],
            ((y1 - y0) // downscale, (x1 - x0) // downscale),
            mode='bilinear',
        )
        refined = par(small, maps[part], **SETTINGS)
        out[part] = F.interpolate(refined, (y1 - y0, x1 - x0), mode='bilinear')
    return out


def sides(length: int, shortest: int = 4):
    return st.integers(0, length - shortest).flatmap(
        lambda start: st.tuples(st.just(start), st.integers(start + shortest, length))
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(sides(38), sides(51)), min_size=2, max_size=2),
    st.sampled_from([1, 2, 3]),
)
def test_equals_cutting(pairs, downscale: int) -> None:
    boxes = torch.tensor([[*y, *x] for y, x in pairs])
    images, maps = smooth(3, (38, 51)), smooth(4, (38, 51), seed=1)
    ours = par_in_boxes(images, maps, boxes, PAR(**SETTINGS), downscale)
    torch.testing.assert_close(
        ours, cut_and_refine(images, maps, boxes, downscale), atol=2e-6, rtol=1e-5
    )


def test_the_whole_image_is_a_box() -> None:
    images, maps = smooth(3, (38, 51)), smooth(4, (38, 51), seed=1)
    boxes = whole_images(2, (38, 51), images.device)
    assert boxes.tolist() == [[0, 38, 0, 51]] * 2
    torch.testing.assert_close(
        par_in_boxes(images, maps, boxes, PAR(**SETTINGS)),
        cut_and_refine(images, maps, boxes),
        atol=2e-6,
        rtol=1e-5,
    )


@pytest.mark.parametrize('box', [(7, 8, 9, 10), (7, 7, 3, 9)])
def test_a_box_of_a_pixel_or_none(box) -> None:
    images, maps = smooth(3, (38, 51)), smooth(4, (38, 51), seed=1)
    out = par_in_boxes(images, maps, torch.tensor([box] * 2), PAR(**SETTINGS))
    assert torch.isfinite(out).all()
    y0, y1, x0, x1 = box
    outside = torch.ones(38, 51, dtype=torch.bool)
    outside[y0:y1, x0:x1] = False
    assert not out[..., outside].any()


def test_what_lies_outside_the_box_does_not_count() -> None:
    images, maps = smooth(3, (38, 51)), smooth(4, (38, 51), seed=1)
    boxes = torch.tensor([[4, 30, 5, 40], [0, 38, 0, 20]])
    first = par_in_boxes(images, maps, boxes, PAR(**SETTINGS))
    for image, (y0, y1, x0, x1) in enumerate(boxes.tolist()):
        keep = torch.zeros(38, 51, dtype=torch.bool)
        keep[y0:y1, x0:x1] = True
        images[image, :, ~keep], maps[image, :, ~keep] = 0.3, 0.9
    torch.testing.assert_close(
        par_in_boxes(images, maps, boxes, PAR(**SETTINGS)), first
    )


def test_linear_weights_rows_sum_to_one() -> None:
    position = torch.tensor([[0.0, 0.25, 3.0]])
    rows = linear_weights(position, torch.tensor([2]), 6)
    assert rows[0].tolist() == [
        [0, 0, 1, 0, 0, 0],
        [0, 0, 0.75, 0.25, 0, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_the_border_is_repeated() -> None:
    geometry = BoxGeometry(torch.tensor([[0, 4, 2, 8]]), (8, 8), 2)
    canvas = torch.arange(16.0).view(1, 1, 4, 4)  # the box fills 2 x 3 of it
    filled = geometry.repeat_border(canvas)[0, 0]
    assert filled.tolist() == [[0, 1, 2, 2], [4, 5, 6, 6], [4, 5, 6, 6], [4, 5, 6, 6]]


def test_label_rules() -> None:
    """High decides on foreground, both on background, the rest is ignored."""
    stacks = torch.zeros(1, 2, 3, 8, 12)
    high, low = stacks[0]
    high[0, :, :8], high[2, :, 8:] = 1, 1  # background | class
    low[0, :, :4], low[1, :, 4:8], low[2, :, 8:] = 1, 1, 1
    labels = ImageLabels.from_lists([(1, 4)], 5)
    label = refined_propagated_label(
        smooth(3, (8, 12), batch=1), stacks, labels, PAR((1,), 0)
    )
    assert label[0, 4].tolist() == [0] * 4 + [255] * 4 + [5] * 4
    box = torch.tensor([[0, 8, 2, 10]])
    inside = refined_propagated_label(
        smooth(3, (8, 12), batch=1), stacks, labels, PAR((1,), 0), box
    )
    assert inside[0, 4, :2].tolist() == inside[0, 4, 10:].tolist() == [255, 255]
