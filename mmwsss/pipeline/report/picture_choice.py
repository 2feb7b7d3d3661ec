# Licensed under Apache-2.0.
"""Which pictures a report shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .scored_picture import ScoredPicture

#: a difference of mean IoU that counts as one
_LEAST = 0.005


@dataclass(frozen=True)
class PictureGroup:
    """Pictures that are shown together.

    Attributes:
        title: what they have in common.
        names: of the pictures, the most telling first.
    """

    title: str
    names: tuple[str, ...]


def choose(pictures: Sequence[ScoredPicture], count: int) -> list[PictureGroup]:
    """The best, median and worst pictures, and the least confident ones.

    Without masks: the least and the most confident ones, and those whose image label
    the network contradicts most.

    Args:
        pictures: of one run.
        count: of each group.
    """
    scored = sorted(_known(pictures, lambda one: one.miou), key=lambda one: -one.miou)
    sure = sorted(
        _known(pictures, lambda one: one.confidence), key=lambda one: one.confidence
    )
    found = [PictureGroup('Least confident', _names(sure[:count]))]
    if scored:
        start = max((len(scored) - count) // 2, 0)
        ranked = {
            'Worst': scored[::-1][:count],
            'Median': scored[start : start + count],
            'Best': scored[:count],
        }
        found = [
            *(PictureGroup(title, _names(of)) for title, of in ranked.items()),
            *found,
        ]
    else:
        doubted = _known(pictures, lambda one: one.contradiction)
        doubted = [one for one in doubted if one.contradiction > 0.5]
        doubted.sort(key=lambda one: -one.contradiction)
        found += [
            PictureGroup('Most confident', _names(sure[::-1][:count])),
            PictureGroup(
                'Image label and network contradict each other', _names(doubted[:count])
            ),
        ]
    return [group for group in found if group.names]


def choose_differences(
    first: Sequence[ScoredPicture],
    second: Sequence[ScoredPicture],
    count: int,
    names: tuple[str, str],
) -> list[PictureGroup]:
    """Where one of two runs is better by most.

    Args:
        first, second: the same pictures.
        count: of each group.
        names: of the runs.
    """
    other = {one.name: one.miou for one in second}
    gains = {one.name: other[one.name] - one.miou for one in first}
    found = []
    for sign, better, worse in ((1, names[1], names[0]), (-1, *names)):
        far = {n: sign * gain for n, gain in gains.items() if sign * gain > _LEAST}
        ranked = sorted(far, key=lambda name, far=far: -far[name])  # type: ignore[misc]
        title = f'{better} ahead of {worse} by most'
        found.append(PictureGroup(title, tuple(ranked[:count])))
    return [group for group in found if group.names]


def shown_once(groups: Sequence[PictureGroup]) -> Mapping[str, str]:
    """Picture → title of the first group that has it: there it is drawn."""
    places: dict[str, str] = {}
    for group in groups:
        for name in group.names:
            places.setdefault(name, group.title)
    return places


def _known(
    pictures: Sequence[ScoredPicture], value: Callable[[ScoredPicture], float]
) -> list[ScoredPicture]:
    return [one for one in pictures if not math.isnan(value(one))]


def _names(pictures: Sequence[ScoredPicture]) -> tuple[str, ...]:
    return tuple(one.name for one in pictures)
