# Licensed under Apache-2.0.
"""Draw splits in which every class has its share. A pure function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mmwsss.io.errors import UserError

TRAIN = 'train'


def stratified_split(
    labels: Mapping[str, Sequence[str]],
    shares: Mapping[str, float],
    seed: int = 0,
    allowed: Collection[str] | None = None,
) -> dict[str, list[str]]:
    """Give each split its share of every class, rare classes first.

    Pictures without a class are drawn as a class of their own. At least one picture of
    every class stays for training. The same names, shares and seed give the same
    splits, in whatever order the names come.

    Args:
        labels: class names of each picture.
        shares: split → share in [0, 1) of all pictures, e.g. ``dict(val=0.2)``;
            together below 1. What remains is ``train``.
        seed: of the draw.
        allowed: pictures that may leave the training (those with masks); all by
            default. Shares still count of all, as far as these reach.

    Returns:
        Split → names, sorted; ``train`` first.

    Raises:
        UserError: if a share is out of range.
    """
    if (
        any(not 0 <= share < 1 for share in shares.values())
        or sum(shares.values()) >= 1
    ):
        raise UserError(
            f'shares of the splits must be 0 or more and below 1 together, got '
            f'{dict(shares)}'
        )
    names = sorted(labels)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    groups: dict[str, list[str]] = {}
    for name in order:
        for label in _classes(labels, name):
            groups.setdefault(label, []).append(name)
    left = Counter({label: len(members) for label, members in groups.items()})
    free = set(names if allowed is None else allowed)
    splits: dict[str, list[str]] = {TRAIN: []}
    for split, share in shares.items():
        drawn = _draw(labels, groups, share, left, free)
        splits[split] = sorted(drawn)
        free -= drawn
    gone = {name for drawn in splits.values() for name in drawn}
    splits[TRAIN] = [name for name in names if name not in gone]
    return splits


def _draw(
    labels: Mapping[str, Sequence[str]],
    groups: Mapping[str, Sequence[str]],
    share: float,
    left: Counter[str],
    free: Collection[str],
) -> set[str]:
    """The pictures of one split, rare classes first; ``left`` counts who stays."""
    drawn: set[str] = set()
    found: Counter[str] = Counter()
    for label in sorted(groups, key=lambda label: (len(groups[label]), label)):
        for name in groups[label]:
            own = _classes(labels, name)
            if found[label] >= round(share * len(groups[label])):
                break
            # the last one of a class stays
            if name in drawn or name not in free or min(left[x] for x in own) < 2:
                continue
            drawn.add(name)
            left.subtract(own)
            found.update(own)
    return drawn


def _classes(labels: Mapping[str, Sequence[str]], name: str) -> Sequence[str]:
    return tuple(labels[name]) or ('',)
