# Licensed under Apache-2.0.
"""What is wrong with partial labels, from what is known of each; nothing is read."""

from __future__ import annotations

from collections.abc import Sequence

from .finding import LIMIT, Finding
from .mask_findings import Masks, foreign_ids
from .meaning import meaning_of_ids
from .palette_findings import colours_found, palette_reordered

_FIX = (
    'look at both and correct the wrong one; check_masks=False in the data set only '
    'warns, where the labels are known to be incomplete'
)


def partial_findings(masks: Masks, classes: Sequence[str]) -> list[Finding]:
    """Everything that is wrong, by the rules of masks.

    What a partial label lacks says nothing; what it holds must be named by the image
    label, and be a class.

    Args:
        masks: those that were looked at.
        classes: background first.
    """
    if not masks:
        return []
    found = [
        colours_found(masks),
        palette_reordered(masks),
        foreign_ids(masks, len(classes)),
        unnamed(masks, classes),
        without_classes(masks, len(classes)),
    ]
    return [one for one in found if one is not None]


def unnamed(masks: Masks, classes: Sequence[str]) -> Finding | None:
    """Partial labels with a class that their picture's label doesn't name."""
    told = [mask for mask in masks if mask.labels is not None and not mask.is_colour]
    bad = [mask for mask in told if mask.classes - mask.labels]  # type: ignore[operator]
    if not bad:
        return None
    ids = sorted(bad[0].classes - (bad[0].labels or frozenset()))
    names = [classes[i] if i < len(classes) else 'no class' for i in ids]
    problem = (
        f'knows pixels of {", ".join(f"{n!r} ({i})" for n, i in zip(names, ids))}, '
        f'which its image label does not name; so do {len(bad)} of {len(told)} partial '
        'labels'
    )
    many = len(bad) > LIMIT * len(told)
    meaning = meaning_of_ids(masks, len(classes)) if many else None
    if meaning:
        problem = f'{problem}; {meaning[0]}'
    return Finding.of_masks(
        'partial label contradicts its label',
        bad,
        told,
        problem,
        meaning[1] if meaning else _FIX,
    )


def without_classes(masks: Masks, num_classes: int) -> Finding | None:
    """Partial labels that know the background alone, in pictures with objects."""
    told = [mask for mask in masks if mask.labels and not mask.is_colour]
    if not told or any(mask.classes for mask in masks):
        return None
    meaning = meaning_of_ids(masks, num_classes)
    text, fix = meaning or (
        'nothing tells an object from the background by them',
        'write the id of its class for each known pixel, 255 where nothing is known',
    )
    return Finding.of_masks(
        'partial labels without objects',
        told,
        told,
        f'knows no pixel of a class, nor do the {len(told) - 1} others of pictures '
        f'with objects: {text}',
        fix,
    )
