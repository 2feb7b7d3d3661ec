# Licensed under Apache-2.0.
"""Local crops: where they may lie, what they hold, their flags."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmwsss.cam import cut_crops, draw_corners
from mmwsss.methods.toco.local_crops import crop_candidates, crop_flags


def test_candidates_by_hand() -> None:
    roi = torch.full((1, 6, 6), 2)
    roi[0, 2, 3], roi[0, 4, 4], roi[0, 0, 0] = 1, 0, 0  # inner, outside, outside
    candidates = crop_candidates(roi, crop_size=4, crop_num=1)
    assert candidates.shape == (1, 2, 2)
    assert candidates.tolist() == [[[False, True], [False, False]]]
    # fewer than wanted: all of the window
    assert crop_candidates(roi, crop_size=4, crop_num=2).all()


@pytest.mark.parametrize('size', [8, 9, 10])
def test_crop_must_fit(size: int) -> None:
    with pytest.raises(ValueError, match=rf'crop_size={size}.*\(8, 20\)'):
        crop_candidates(torch.zeros(1, 8, 20), size, 1)


def test_more_crops_than_positions() -> None:
    with pytest.raises(ValueError, match='crop_num=5.*only 4 positions'):
        draw_corners(torch.ones(1, 2, 2, dtype=torch.bool), 5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8), st.floats(0, 1))
def test_corners_are_distinct_candidates(seed: int, num: int, share: float) -> None:
    torch.manual_seed(seed)
    size = (3, 10, 12)
    roi = torch.where(torch.rand(size) < share, 2, torch.randint(0, 2, size))
    candidates = crop_candidates(roi, 4, num)
    corners = draw_corners(candidates, num)
    assert corners.shape == (3, num, 2) and corners.dtype == torch.long
    for image, rows in zip(candidates, corners.tolist()):
        assert len({tuple(r) for r in rows}) == num
        assert all(image[y, x] for y, x in rows)


def test_draw_is_uniform_over_the_candidates() -> None:
    torch.manual_seed(0)
    candidates = torch.tensor([[[True, False, True], [True, True, False]]])
    corners = draw_corners(candidates.expand(4000, -1, -1), 2)
    share = torch.zeros(2, 3)
    for y, x in corners.flatten(0, 1).tolist():
        share[y, x] += 1 / 4000
    torch.testing.assert_close(share, candidates[0] * 0.5, atol=0.03, rtol=0)


def test_draw_follows_the_seed() -> None:
    candidates = torch.ones(2, 9, 9, dtype=torch.bool)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(draw_corners(candidates, 4))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_crops_and_flags_against_slices(seed: int) -> None:
    torch.manual_seed(seed)
    images, roi, size = torch.rand(2, 3, 9, 11), torch.randint(0, 3, (2, 9, 11)), 4
    corners = draw_corners(crop_candidates(roi, size, 3), 3)
    crops = cut_crops(images, corners, size)
    flags = crop_flags(roi, corners, size, num_global=2, negative_mean=1.0)
    assert crops.shape == (3, 2, 3, size, size) and flags.shape == (2, 5)
    assert flags[:, :2].all()  # global views are positive
    for b in range(2):
        for n, (y, x) in enumerate(corners[b].tolist()):
            window = (slice(y, y + size), slice(x, x + size))
            assert torch.equal(crops[n, b], images[b][:, window[0], window[1]])
            # integer sums: exactly 1.0 on average is still negative
            positive = int(roi[b][window].sum()) > size * size
            assert flags[b, 2 + n] == positive


def test_flag_on_its_border() -> None:
    """A mean of exactly 0.2 is negative; confident foreground counts double."""
    roi = torch.zeros(1, 10, 10, dtype=torch.long)
    corners = torch.zeros(1, 1, 2, dtype=torch.long)
    roi[0, :2, :] = 1  # 20 of 100
    assert crop_flags(roi, corners, 10).tolist() == [[1, 1, 0]]
    roi[0, 0, 0] = 2
    assert crop_flags(roi, corners, 10).tolist() == [[1, 1, 1]]
