# Licensed under Apache-2.0.
"""Which pictures are shown."""

from __future__ import annotations

from mmwsss.pipeline.report.picture_choice import (
    PictureGroup,
    choose,
    choose_differences,
    shown_once,
)
from mmwsss.pipeline.report.scored_picture import ScoredPicture

NAN = float('nan')


def picture(name: str, miou: float = NAN, sure: float = NAN, doubt: float = NAN):
    return ScoredPicture(name, 0, None, miou, sure, contradiction=doubt)


def test_best_median_worst_and_least_confident() -> None:
    values = dict(a=0.9, b=0.1, c=0.5, d=0.3, e=0.7)
    pictures = [picture(name, iou, 1 - iou) for name, iou in values.items()]
    groups = {group.title: group.names for group in choose(pictures, 2)}
    assert groups == {
        'Worst': ('b', 'd'),
        'Median': ('e', 'c'),
        'Best': ('a', 'e'),
        'Least confident': ('a', 'e'),
    }
    groups = choose(pictures, 1)
    assert [group.names for group in groups] == [('b',), ('c',), ('a',), ('a',)]


def test_without_masks_by_confidence_and_contradiction() -> None:
    pictures = [
        picture('a', sure=0.9, doubt=0.2),
        picture('b', sure=0.4, doubt=0.9),
        picture('c', sure=0.6, doubt=0.6),
    ]
    groups = choose(pictures, 2)
    assert [group.names for group in groups] == [('b', 'c'), ('a', 'c'), ('b', 'c')]
    assert groups[2].title.startswith('Image label and network')


def test_pictures_of_which_nothing_is_known_are_in_no_group() -> None:
    assert choose([picture('a')], 3) == []


def test_where_two_runs_differ() -> None:
    first = [picture('a', 0.5), picture('b', 0.5), picture('c', 0.5), picture('d', 0.5)]
    second = [picture('a', 0.9), picture('b', 0.2), picture('c', 0.501)]
    second.append(picture('d', 0.6))
    groups = choose_differences(first, second, 2, ('old', 'new'))
    assert groups == [
        PictureGroup('new ahead of old by most', ('a', 'd')),
        PictureGroup('old ahead of new by most', ('b',)),
    ]


def test_a_picture_is_drawn_in_its_first_group() -> None:
    groups = [PictureGroup('x', ('a', 'b')), PictureGroup('y', ('b', 'c'))]
    assert shown_once(groups) == dict(a='x', b='x', c='y')
