# Licensed under Apache-2.0.
"""The splits of a checked folder: those that are given, or drawn ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from mmengine.logging import print_log

from .located import Found
from .stratified_split import TRAIN, stratified_split


def choose_splits(
    listed: Mapping[str, Sequence[str]] | None,
    pictures: Mapping[str, Found],
    masks: Collection[str],
    shares: Mapping[str, float],
    seed: int,
) -> dict[str, list[str]]:
    """Split → names.

    Args:
        listed: names by split that are given; ``None``: splits are drawn.
        pictures: those that are taken, by name.
        masks: names of those that have a mask. If there are any, only these, and
            pictures without an object, are kept in or drawn for other splits than
            training.
        shares: of the splits that are drawn.
        seed: of the draw.
    """
    scored = {n for n, found in pictures.items() if n in masks or not found.ids}
    if listed is None:
        labels = {name: tuple(map(str, p.ids)) for name, p in pictures.items()}
        drawn = stratified_split(labels, shares, seed, scored if masks else None)
        return {split: names for split, names in drawn.items() if names}
    given = {s: [name for name in of if name in pictures] for s, of in listed.items()}
    if not masks:
        return given
    kept = {s: [n for n in of if s == TRAIN or n in scored] for s, of in given.items()}
    for split, names in kept.items():
        without = len(given[split]) - len(names)
        if without:
            print_log(f'{split}: {without} without mask are left out')
    return {split: names for split, names in kept.items() if names}
