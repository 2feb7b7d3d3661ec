# Licensed under Apache-2.0.
"""Which class an id or a colour of masks stands for, as far as image labels tell."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np

Symbol = Hashable
#: share of the masks of either that hold both, from which on a pair is believed
SURE = 0.7
#: share of the masks with labels whose classes must be found by the pairs
EXPLAINED = 0.9
#: symbols that mean background in most data sets; they stand for a class last
_BACKGROUNDS = (0, (0, 0, 0))
_MANY = 300


def symbol_map(
    held: Sequence[Collection[Symbol]], labels: Sequence[Collection[int]]
) -> dict[Symbol, int] | None:
    """Match ids or colours with classes by the masks in which both appear.

    A pair counts by the masks that have both, over those that have either (Jaccard);
    the best pairs are taken first, each symbol and class once.

    Args:
        held: symbols of each mask.
        labels: ids 1..C that the image label of each names.

    Returns:
        Symbol → class id, with what stands in nearly all masks as 0; ``None`` if the
        labels don't tell, or what they tell explains too few masks.
    """
    symbols = list(dict.fromkeys(s for one in held for s in one))
    classes = sorted({c for one in labels for c in one})
    if not classes or not symbols or len(symbols) > _MANY:
        return None
    has = np.array([[s in one for s in symbols] for one in held], np.float64)
    named = np.array([[c in one for c in classes] for one in labels], np.float64)
    pairs = _pairs(has, named, [symbol in _BACKGROUNDS for symbol in symbols])
    found: dict[Symbol, int] = {symbols[i]: classes[j] for i, j in pairs}
    if not _explains(found, held, labels):
        return None
    rest = [i for i, symbol in enumerate(symbols) if symbol not in found]
    most = max(rest, key=lambda i: has[:, i].mean(), default=None)
    if most is not None and has[:, most].mean() >= EXPLAINED:
        found[symbols[most]] = 0
    return found


def _pairs(
    has: np.ndarray, named: np.ndarray, last: Sequence[bool]
) -> list[tuple[int, int]]:
    """Places of symbol and class that belong together, the surest first.

    Args:
        has: (masks, symbols) of 0 and 1.
        named: (masks, classes) of 0 and 1.
        last: symbols that are taken after equally good ones.
    """
    both = has.T @ named
    either = has.sum(0)[:, None] + named.sum(0)[None] - both
    score = both / np.maximum(either, 1)
    score -= 0.01 * np.asarray(last, np.float64)[:, None]
    found = []
    while score.size and score.max() >= SURE:
        i, j = np.unravel_index(score.argmax(), score.shape)
        found.append((int(i), int(j)))
        score[i], score[:, j] = -1, -1
    return found


def _explains(
    found: dict[Symbol, int],
    held: Sequence[Collection[Symbol]],
    labels: Sequence[Collection[int]],
) -> bool:
    """Whether nearly all masks hold one of their classes by these pairs."""
    good = [
        bool({found.get(symbol) for symbol in one} & set(classes))
        for one, classes in zip(held, labels, strict=True)
        if classes
    ]
    return bool(good) and sum(good) >= EXPLAINED * len(good)
