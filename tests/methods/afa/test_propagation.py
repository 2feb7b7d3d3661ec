# Licensed under Apache-2.0.
"""Propagation of CAMs by affinity, and the windows of token pairs."""

from __future__ import annotations

import pytest
import torch

from mmwsss.cam import IGNORE, affinity_targets, label_on_grid, window_mask
from mmwsss.methods.afa.propagation import (
    propagate,
    propagate_cams,
    transition_matrix,
)
from mmwsss.structures import ImageLabels


def affinity(batch: int, tokens: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, tokens, tokens, generator=generator)
    return (logits + logits.transpose(1, 2)).sigmoid()


# ------------------------------------------------------------- windows
def test_window_by_loops() -> None:
    height, width, radius = 3, 5, 1
    mask = window_mask((height, width), radius)
    assert mask.shape == (15, 15) and mask.dtype == torch.bool
    for i in range(15):
        for j in range(15):
            dy, dx = i // width - j // width, i % width - j % width
            assert mask[i, j] == (abs(dy) <= radius and abs(dx) <= radius)


def test_window_limits() -> None:
    assert torch.equal(window_mask((2, 3), 0), torch.eye(6, dtype=torch.bool))
    assert window_mask((2, 3), 9).all()
    with pytest.raises(ValueError, match='>= 0 tokens, got -1'):
        window_mask((2, 3), -1)


def test_targets_in_a_window() -> None:
    label = torch.tensor([[[0, 1, 1, IGNORE]]])
    found = affinity_targets(label, window_mask((1, 4), 1), self_pairs=True)[0]
    x = IGNORE
    assert found.tolist() == [[1, 0, x, x], [0, 1, 1, x], [x, 1, 1, x], [x, x, x, x]]
    without = affinity_targets(label, window_mask((1, 4), 1))[0]
    assert without.diagonal().tolist() == [x] * 4


def test_label_on_grid_is_nearest() -> None:
    label = torch.arange(5).view(1, 1, 5).expand(1, 4, 5).contiguous()
    small = label_on_grid(label, (2, 3))
    assert small.dtype == torch.int64
    assert small.tolist() == [[[0, 1, 3]] * 2]  # floor(k 5 / 3)
    kept = torch.tensor([[[IGNORE, 80], [0, 1]]])
    assert torch.equal(label_on_grid(kept, (2, 2)), kept)


# ------------------------------------------------------------- transition
def test_transition_by_hand() -> None:
    matrix = transition_matrix(torch.tensor([[[0.5, 0.2], [0.2, 1.0]]]), eps=0.1)
    expected = torch.tensor([[[0.25 / 0.39, 0.04 / 1.14], [0.04 / 0.39, 1 / 1.14]]])
    torch.testing.assert_close(matrix, expected)


def test_columns_sum_to_less_than_one() -> None:
    sums = transition_matrix(affinity(2, 12), window_mask((3, 4), 1)).sum(1)
    assert (sums < 1).all() and (sums > 0).all()
    torch.testing.assert_close(
        transition_matrix(affinity(2, 12), eps=1e-9).sum(1), torch.ones(2, 12)
    )


def test_an_isolated_token_keeps_its_score() -> None:
    maps = torch.rand(1, 2, 2, 3)
    identity = transition_matrix(torch.eye(6)[None], eps=0.0)
    torch.testing.assert_close(propagate(maps, identity), maps)


def test_scores_go_from_row_to_column() -> None:
    maps = torch.tensor([[[[1.0, 0.0]]]])
    transition = torch.tensor([[[0.0, 0.7], [0.2, 0.0]]])  # from 0 to 1: 0.7
    torch.testing.assert_close(
        propagate(maps, transition), torch.tensor([[[[0.0, 0.7]]]])
    )


def test_grids_must_agree() -> None:
    with pytest.raises(ValueError, match=r'\(2, 3\).* 6 tokens, got \(5, 5\)'):
        propagate(torch.rand(1, 2, 2, 3), torch.rand(1, 5, 5))


# ------------------------------------------------------------- propagated CAMs
@pytest.fixture
def inputs() -> dict:
    generator = torch.Generator().manual_seed(1)
    labels = ImageLabels.from_lists([(0, 2), (1,)], 3)
    cam = labels.valid(torch.rand(2, 2, 24, 32, generator=generator))
    return dict(cam=cam, labels=labels, affinity=affinity(2, 12), grid=(3, 4))


def test_shapes_and_ranges(inputs) -> None:
    maps = propagate_cams(**inputs, thresholds=(0.5, 0.3), radius=1)
    assert maps.shape == (2, 2, 3, 24, 32) and maps.dtype == torch.float32
    assert (maps >= 0).all() and (maps.sum(2) < 1).all()
    assert not maps[1, :, 2].any()  # an unused slot
    assert (maps[:, 0, 0] > maps[:, 1, 0]).all()  # a higher constant, more background


def test_thresholds_share_the_walk(inputs) -> None:
    both = propagate_cams(**inputs, thresholds=(0.5, 0.3))
    for level, threshold in enumerate((0.5, 0.3)):
        one = propagate_cams(**inputs, thresholds=(threshold,))
        torch.testing.assert_close(both[:, level], one[:, 0])


def test_the_cam_spreads_over_tokens_that_attend(inputs) -> None:
    """A peak on one token reaches the tokens of its block of affinity, not others."""
    grid = (2, 4)
    side = torch.arange(8) % 4 < 2  # left half, right half
    inside = (side[:, None] == side).float()
    cam = torch.zeros(1, 1, 2, 4)
    cam[0, 0, 0, 0] = 1
    labels = ImageLabels.from_lists([(0,)], 3)
    maps = propagate_cams(cam, labels, inside[None], grid, (0.3,), radius=None)[0, 0, 1]
    assert maps[:, :2].min() > maps[:, 2:].max()


def test_half_precision_changes_nothing(inputs) -> None:
    plain = propagate_cams(**inputs, thresholds=(0.4,))
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(propagate_cams(**inputs, thresholds=(0.4,)), plain)
