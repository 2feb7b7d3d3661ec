# Licensed under Apache-2.0.
"""The endless seeded sampler."""

from __future__ import annotations

from itertools import islice
from unittest import mock

import pytest

from mmwsss.datasets import seeded_wrappers
from mmwsss.datasets.samplers import seeded_infinite_sampler
from mmwsss.datasets.samplers.seeded_infinite_sampler import SeededInfiniteSampler
from mmwsss.datasets.seeding import mix_seed
from tests.datasets.conftest import draw
from tests.datasets.test_weak_seg_dataset import build

#: the order that runs of the first version had
PINNED = [1, 3, 2, 5, 4, 0, 6, 1, 3, 0]


def stream(count, size=7, rank=0, world=1, skip=0, data=None, **kwargs):
    with mock.patch.object(
        seeded_infinite_sampler, 'get_dist_info', return_value=(rank, world)
    ):
        data = range(size) if data is None else data
        sampler = SeededInfiniteSampler(data, **{'seed': 5, **kwargs})
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
    assert [index for index, _ in stream(10)] == PINNED


def test_bare_indices_and_length():
    assert stream(9, shuffle=False, with_seed=False) == [*range(7), 0, 1]
    assert len(SeededInfiniteSampler(range(7), seed=0)) == 7


def test_bad_input():
    with pytest.raises(ValueError, match='empty'):
        SeededInfiniteSampler([], seed=0)
    with pytest.raises(ValueError, match='negative'):
        SeededInfiniteSampler(range(3), seed=0).skip(-1)


class Labelled:
    """Image labels alone: class 0 on all, class 1 on one of 20."""

    metainfo = dict(classes=('background', 'often', 'rare'))

    def __len__(self):
        return 40

    def get_data_info(self, index):
        return dict(gt_labels=(0,) if index % 20 else (0, 1))


def balanced(count, **kwargs):
    return stream(count, data=Labelled(), class_balanced=0.45, **kwargs)


def test_rare_classes_come_more_often():
    """sqrt(0.45 / 0.05) = 3 times, in every epoch; each time augmented anew."""
    length = 38 + 2 * 3
    pairs = balanced(3 * length)
    epochs = [[i for i, _ in pairs[k : k + length]] for k in (0, length, 2 * length)]
    for epoch in epochs:
        assert sorted(epoch) == sorted([*range(40), 0, 0, 20, 20])
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len({seed for _, seed in pairs}) == len(pairs)
    sampler = SeededInfiniteSampler(Labelled(), seed=5, class_balanced=0.45)
    assert len(sampler) == length


def test_factors_in_between_differ_from_epoch_to_epoch():
    """sqrt(0.1 / 0.05) is 1.41: once or twice; 40.83 draws become 41."""
    pairs = stream(41 * 400, data=Labelled(), class_balanced=0.1)
    times = sum(index == 0 for index, _ in pairs)
    assert times / 400 == pytest.approx(1.41 * 41 / 40.83, abs=0.06)
    assert sum(index == 1 for index, _ in pairs) / 400 == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize('world', [2, 3])
def test_balanced_ranks_share_one_stream_and_resume(world):
    whole = balanced(90)
    parts = [balanced(90 // world, rank=rank, world=world) for rank in range(world)]
    assert [pair for group in zip(*parts) for pair in group] == whole
    assert balanced(10, rank=1, world=world, skip=20) == parts[1][20:30]


def test_the_usual_share_and_what_is_said(tmp_path):
    """Of a data set of a run: a median share, through a wrapper too."""
    folder = draw(tmp_path / 'set', {f'{i}': ('cat',) for i in range(9)})
    (folder / 'splits' / 'train.txt').write_text(
        ''.join(f'{i} cat\n' for i in range(4))
        + ''.join(f'{i} dog\n' for i in range(4, 8))
        + '8 red_fox\n'
    )
    with mock.patch.object(seeded_infinite_sampler, 'print_log') as told:
        data = [build(folder), build(folder)]
        both = seeded_wrappers.ConcatDataset(data)
        found = [index for index, _ in stream(20, data=both, class_balanced=True)]
    assert sorted(found) == sorted([*range(18), 8, 17])
    (text,) = told.call_args.args[:1]
    assert 'less than 44 % of the pictures' in text
    assert 'red fox (2 pictures) x 2.00; an epoch has 20 samples of 18' in text
    with mock.patch.object(seeded_infinite_sampler, 'print_log') as told:
        SeededInfiniteSampler(both, seed=0, class_balanced=1.0)
    assert 'less than 100 % of the pictures' in told.call_args.args[0]


def test_none_balances_nothing():
    for nothing in (None, False):
        assert stream(30, class_balanced=nothing) == stream(30)


@pytest.mark.parametrize('share', [0, -0.1, 1.5])
def test_shares_out_of_range(share):
    with pytest.raises(ValueError, match=f'class_balanced={share}: must be True, or'):
        stream(1, data=Labelled(), class_balanced=share)
    with pytest.raises(ValueError, match='range gives no image labels'):
        stream(1, class_balanced=True)
