# Licensed under Apache-2.0.
"""Pictures of a report with what is said of them, from one run or two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .looked_at import LookedAt
from .picture_choice import (
    PictureGroup,
    choose,
    choose_differences,
    shown_once,
)
from .picture_tiles import ShownPicture, ShownTile
from .scored_picture import ScoredPicture


@dataclass(frozen=True)
class PictureCard:
    """One picture.

    Attributes:
        name: of the picture.
        anchor: of its place in the page.
        labels: names of its classes, ``''`` where unknown.
        photo, truth: drawn; truth is ``None`` without a mask.
        runs: (run, what it scored in words, drawn) of each run that has the picture.
    """

    name: str
    anchor: str
    labels: str
    photo: ShownTile
    truth: ShownTile | None
    runs: tuple[tuple[str, str, ShownPicture], ...]


@dataclass(frozen=True)
class CardGroup:
    """Pictures with something in common.

    Attributes:
        title: what that is.
        cards: those that are drawn here.
        elsewhere: (name, anchor) of those that an earlier group has.
    """

    title: str
    cards: tuple[PictureCard, ...]
    elsewhere: tuple[tuple[str, str], ...]


def card_groups(looked: Sequence[LookedAt], count: int) -> list[CardGroup]:
    """Choose pictures, draw them, and say what is to be said of them.

    Args:
        looked: one or two runs.
        count: pictures of each group.
    """
    groups = chosen_groups(looked, count)
    places = shown_once(groups)
    drawn = [one.draw(list(places)) for one in looked]
    stem = looked[0].run.name
    anchors = {name: f'{stem}-{number}' for number, name in enumerate(places)}
    cards = {name: _card(name, anchors[name], looked, drawn) for name in places}
    found = []
    for group in groups:
        here = [name for name in group.names if places[name] == group.title]
        there = [name for name in group.names if places[name] != group.title]
        found.append(
            CardGroup(
                group.title,
                tuple(card for n in here if (card := cards[n]) is not None),
                tuple((name, anchors[name]) for name in there),
            )
        )
    return found


def chosen_groups(looked: Sequence[LookedAt], count: int) -> list[PictureGroup]:
    """Groups of the first run, and where the second differs; of both, where they were
    tested on other pictures."""
    found = [one for one in looked if one.found is not None]
    if not found:
        return []
    passes = [one.found for one in found if one.found is not None]
    if len(passes) == 1:
        return choose(passes[0].pictures, count)
    names = (found[0].run.name, found[1].run.name)
    if passes[0].names == passes[1].names:
        pictures = passes[0].pictures, passes[1].pictures
        differ = choose_differences(*pictures, count, names)
        own = choose(passes[0].pictures, count)
        return [
            *differ,
            *(PictureGroup(f'{g.title} of {names[0]}', g.names) for g in own),
        ]
    return [
        PictureGroup(f'{group.title} of {name}', group.names)
        for name, one in zip(names, passes)
        for group in choose(one.pictures, count)
    ]


def _card(
    name: str,
    anchor: str,
    looked: Sequence[LookedAt],
    drawn: Sequence[Mapping[str, ShownPicture]],
) -> PictureCard | None:
    runs, labels = [], ''
    for one, pictures in zip(looked, drawn, strict=True):
        if name not in pictures or one.found is None:
            continue
        scored = next(p for p in one.found.pictures if p.name == name)
        labels = labels or _labels(scored, one.found.classes)
        words = in_words(scored, one.found.classes)
        runs.append((one.run.name, words, pictures[name]))
    if not runs:
        return None
    first = runs[0][2]
    return PictureCard(name, anchor, labels, first.photo, first.truth, tuple(runs))


def _labels(picture: ScoredPicture, classes: Sequence[str]) -> str:
    if picture.labels is None:
        return ''
    return ', '.join(classes[i] for i in picture.labels) or 'no object'


def in_words(picture: ScoredPicture, classes: Sequence[str]) -> str:
    """Scores of a picture: ``'mIoU 53, confidence 0.81'``."""
    parts = []
    if not math.isnan(picture.miou):
        parts.append(f'mIoU {100 * picture.miou:.0f}')
    if not math.isnan(picture.confidence):
        parts.append(f'confidence {picture.confidence:.2f}')
    if picture.contradicted and picture.contradiction > 0.5:
        known = picture.contradicted in (picture.labels or ())
        name = classes[picture.contradicted]
        parts.append(f'{name} not seen' if known else f'{name} seen')
    return ', '.join(parts)
