# Licensed under Apache-2.0.
"""Pictures with partial labels are drawn more often."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mmwsss.datasets.annotated_pictures import annotated_factors
from tests.datasets.test_seeded_sampler import stream


class Annotated:
    """Ten pictures, of which some have a file of partial labels."""

    def __init__(self, *annotated):
        self.annotated = annotated

    def __len__(self):
        return 10

    def get_data_info(self, index):
        path = f'{index}.png' if index in self.annotated else None
        return dict(side_inputs=dict(partial=SimpleNamespace(path=path)))


@pytest.mark.parametrize('annotated', [(3,), (1, 8)])
@pytest.mark.parametrize('share', [0.25, 0.5])
def test_share_of_the_samples(annotated, share):
    drawn = [
        i for i, _ in stream(4000, data=Annotated(*annotated), partial_share=share)
    ]
    counts = Counter(drawn)
    assert sum(counts[i] for i in annotated) / 4000 == pytest.approx(share, abs=0.02)
    assert len(counts) == 10  # all others come too, alike
    others = [counts[i] for i in range(10) if i not in annotated]
    assert max(others) - min(others) <= 0.05 * max(others)


@pytest.mark.parametrize('annotated', [(), range(10), (1, 2, 3, 4, 5)])
def test_nothing_changes_where_none_or_enough_are_annotated(annotated):
    found = stream(30, data=Annotated(*annotated), partial_share=0.3)
    assert found == stream(30, size=10)


def test_goes_on_where_it_was_on_any_rank():
    data = Annotated(2)
    whole = stream(60, data=data, partial_share=0.4)
    halves = [
        stream(20, data=data, partial_share=0.4, rank=r, world=2, skip=10)
        for r in (0, 1)
    ]
    joined = [pair for pairs in zip(*halves, strict=True) for pair in pairs]
    assert joined == whole[20:60]


@pytest.mark.parametrize('share', [0, 1, -0.5])
def test_out_of_range(share):
    with pytest.raises(ValueError, match='partial_share=.* between 0 and 1'):
        annotated_factors(np.array([True, False]), share)


def test_without_the_side_input():
    class Bare(Annotated):
        def get_data_info(self, index):
            return dict(side_inputs={})

    with pytest.raises(ValueError, match=r'declares no side input .partial.: leave'):
        stream(1, data=Bare(), partial_share=0.5)
