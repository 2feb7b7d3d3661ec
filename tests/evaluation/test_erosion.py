# Licensed under Apache-2.0.
"""Eroded labels against their definition, label by label."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mmwsss.evaluation.erosion import erode_labels, eroded_score


def blobs(count: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Smooth label maps (count, H, W) of the ids 0..3."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 4, 4, 5, generator=generator)
    return functional.interpolate(coarse, size, mode='bilinear').argmax(1)


def by_definition(label: torch.Tensor, size: int) -> torch.Tensor:
    """Every label's mask eroded by itself, the border counting as inside."""
    out, half = torch.zeros_like(label), size // 2
    for value in label.unique():
        mask = functional.pad((label == value).float()[None], (half,) * 4, value=1.0)[0]
        kept = mask.unfold(0, size, 1).unfold(1, size, 1).amin((2, 3)) > 0
        out[kept] = value
    return out


@pytest.mark.parametrize('size', [1, 3, 7])
def test_against_the_definition(size) -> None:
    labels = blobs(3, (37, 41))
    labels[0, :5] = 255
    got = erode_labels(labels, size)
    for one, label in zip(got, labels, strict=True):
        assert torch.equal(one, by_definition(label, size))
    assert torch.equal(got, labels) == (size == 1)


def test_border_is_inside() -> None:
    assert torch.equal(erode_labels(torch.full((5, 4), 2)), torch.full((5, 4), 2))


def test_scores_hold_every_threshold() -> None:
    label = blobs(2, (40, 33)) + 1
    score = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    score = functional.interpolate(score, (40, 33), mode='bilinear')[:, 0]
    eroded = eroded_score(score, label)
    counts = set()
    for threshold in (0.0, 0.2, 0.5, 0.8):
        want = erode_labels(torch.where(score > threshold, label, 0))
        assert torch.equal(torch.where(eroded > threshold, label, 0), want)
        counts.add(int((want > 0).sum()))
    assert len(counts) > 2


@pytest.mark.parametrize('size', [0, 4])
def test_window_has_a_centre(size) -> None:
    with pytest.raises(ValueError, match=f'odd size, got {size}'):
        erode_labels(torch.zeros(3, 3, dtype=torch.long), size)
