# Licensed under Apache-2.0.
"""The endless seeded sampler."""

from __future__ import annotations

from itertools import islice
from unittest import mock

import pytest

from mmwsss.datasets.samplers import seeded_infinite_sampler
from mmwsss.datasets.samplers.seeded_infinite_sampler import SeededInfiniteSampler
from mmwsss.datasets.seeding import mix_seed


def stream(count, size=7, rank=0, world=1, skip=0, **kwargs):
    with mock.patch.object(
        seeded_infinite_sampler, 'get_dist_info', return_value=(rank, world)
    ):
        sampler = SeededInfiniteSampler(range(size), **{'seed': 5, **kwargs})
    sampler.skip(skip)
    return list(islice(sampler, count))


def test_every_epoch_is_a_new_permutation():
    indices = [index for index, _ in stream(21)]
    epochs = [indices[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_ranks_share_one_stream():
    whole = stream(21)
    for world in (2, 3):
        count = 21 // world
        parts = [stream(count, rank=rank, world=world) for rank in range(world)]
        joined = [pair for group in zip(*parts) for pair in group]
        assert joined == whole[: count * world]


@pytest.mark.parametrize('world', [1, 2])
def test_skip_goes_on_where_it_was(world):
    whole = stream(40, world=world, rank=world - 1)
    assert stream(10, world=world, rank=world - 1, skip=30) == whole[30:]
    assert stream(3, skip=10**9)  # at once


def test_seed_decides():
    assert stream(14) == stream(14)
    assert stream(14) != stream(14, seed=6)
    seeds = [seed for _, seed in stream(2000)]
    assert len(set(seeds)) == 2000
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_stable_over_time():
    """These numbers must never change: results of runs hang on them."""
    assert [mix_seed(0, position) for position in range(3)] == [
        1452414493,
        2548424511,
        3748370668,
    ]
    assert stream(3, shuffle=False) == [(i, mix_seed(5, i)) for i in range(3)]


def test_bare_indices_and_length():
    assert stream(9, shuffle=False, with_seed=False) == [*range(7), 0, 1]
    assert len(SeededInfiniteSampler(range(7), seed=0)) == 7


def test_bad_input():
    with pytest.raises(ValueError, match='empty'):
        SeededInfiniteSampler([], seed=0)
    with pytest.raises(ValueError, match='negative'):
        SeededInfiniteSampler(range(3), seed=0).skip(-1)
