# Licensed under Apache-2.0.
"""Splits with every class's share."""

from __future__ import annotations

from collections import Counter

import pytest

from mmwsss.datasets.own.stratified_split import stratified_split
from mmwsss.io.errors import UserError

#: 60 of a, 30 of b, 10 of both, 20 of none, 2 of c
LABELS = {
    **{f'a{i}': ('a',) for i in range(60)},
    **{f'b{i}': ('b',) for i in range(30)},
    **{f'ab{i}': ('a', 'b') for i in range(10)},
    **{f'n{i}': () for i in range(20)},
    **{f'c{i}': ('c',) for i in range(2)},
}


def classes(names) -> Counter:
    return Counter(label for name in names for label in LABELS[name] or ('none',))


def test_every_class_has_its_share() -> None:
    splits = stratified_split(LABELS, dict(val=0.2, test=0.1))
    assert list(splits) == ['train', 'val', 'test']
    assert sorted(n for names in splits.values() for n in names) == sorted(LABELS)
    val, test = classes(splits['val']), classes(splits['test'])
    assert abs(val['a'] - 14) <= 1 and abs(val['b'] - 8) <= 1 and val['none'] == 4
    assert abs(test['a'] - 7) <= 1 and abs(test['b'] - 4) <= 1 and test['none'] == 2


def test_the_last_of_a_class_stays_in_training() -> None:
    splits = stratified_split(LABELS, dict(val=0.5, test=0.45))
    assert classes(splits['train'])['c'] == 1
    assert min(classes(splits['train']).values()) >= 1


def test_the_order_of_names_does_not_matter_and_the_seed_does() -> None:
    one = stratified_split(LABELS, dict(val=0.2), 3)
    again = stratified_split(dict(reversed(LABELS.items())), dict(val=0.2), 3)
    assert one == again
    assert one != stratified_split(LABELS, dict(val=0.2), 4)


def test_only_those_allowed_leave_the_training() -> None:
    allowed = {f'a{i}' for i in range(5)} | {'ab0', 'b0'}
    splits = stratified_split(LABELS, dict(val=0.2), allowed=allowed)
    assert splits['val'] and set(splits['val']) <= allowed


def test_without_shares_all_are_training_pictures() -> None:
    assert stratified_split(LABELS, dict(val=0.0))['train'] == sorted(LABELS)


@pytest.mark.parametrize('shares', [dict(val=-0.1), dict(val=1.0), dict(a=0.6, b=0.5)])
def test_refused(shares) -> None:
    with pytest.raises(UserError, match='below 1 together'):
        stratified_split(LABELS, shares)
