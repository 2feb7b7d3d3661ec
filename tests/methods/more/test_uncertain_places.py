# Licensed under Apache-2.0.
"""Where uncertain tokens are looked for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmwsss.methods.more.uncertain_places import (
    COUNT,
    MARGIN,
    choose_places,
    crowded,
    levels,
)


def slow_crowded(level: Tensor) -> list[list[int]]:
    """Position by position, as it is written down."""
    height, width = level.shape
    return [
        [i, j]
        for i in range(height - 6)
        for j in range(width - 6)
        if level[i + 3, j + 3] == 1
        and level[i : i + 6, j : j + 6].double().mean() >= 1.2
    ]


def random_target(seed: int, height: int, width: int) -> Tensor:
    """Token labels (1, h, w), smooth enough to have crowds."""
    torch.manual_seed(seed)
    coarse = torch.rand(1, 1, 4, 4)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode='bilinear')
    share = torch.rand(2).sort().values
    target = torch.where(smooth[:, 0] > share[1], 3, 0)
    return target.masked_fill((smooth[:, 0] > share[0]) & (target == 0), 255)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(7, 16), st.integers(7, 16))
def test_places_are_those_of_the_rule(seed: int, height: int, width: int) -> None:
    target = random_target(seed, height, width)
    level = levels(target)
    expected = slow_crowded(level[0])
    assert crowded(level)[0].nonzero().tolist() == expected
    order = torch.rand(1, height - 6, width - 6)
    found = choose_places(target, order)[0]
    taken = found[found[:, 0] >= 0].tolist()
    assert (found[len(taken) :] == -1).all()
    number = len(expected)
    if number > COUNT:
        ranked = sorted(expected, key=lambda place: order[0, place[0], place[1]])
        assert taken == ranked[:COUNT]
        return
    more = min((COUNT - number) // 4, (height - 6) * (width - 6))
    assert taken[:number] == expected and len(taken) == number + more
    inner = level[0, MARGIN:-MARGIN, MARGIN:-MARGIN]
    classes = (inner == 2).nonzero().tolist()
    pool = classes if len(classes) >= more else (inner >= 0).nonzero().tolist()
    ranked = sorted(pool, key=lambda place: order[0, place[0], place[1]])
    assert taken[number:] == ranked[:more]


def test_images_are_chosen_for_themselves() -> None:
    targets = torch.cat([random_target(seed, 14, 14) for seed in range(6)])
    torch.manual_seed(0)
    order = torch.rand(6, 8, 8)
    together = choose_places(targets, order)
    for i in range(6):
        one = slice(i, i + 1)
        assert torch.equal(choose_places(targets[one], order[one]), together[one])


@pytest.mark.parametrize('size', [(6, 9), (9, 5)])
def test_grids_without_an_inner_map(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match='needs a grid of 7 x 7 tokens or more, got'):
        choose_places(torch.zeros(1, *size, dtype=torch.long), torch.zeros(1, 0, 0))


def test_full_graph() -> None:
    """It traces as one graph, without a look at values."""
    target = random_target(1, 12, 12)
    order = torch.rand(1, 6, 6)
    compiled = torch.compile(choose_places, backend='eager', fullgraph=True)
    assert torch.equal(compiled(target, order), choose_places(target, order))
