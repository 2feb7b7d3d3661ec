# Licensed under Apache-2.0.
"""What is wrong with masks, from what is known of each; nothing is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from .finding import LIMIT, NEVER, Finding
from .mask_facts import MaskFacts
from .meaning import command, meaning_of_ids
from .palette_findings import colours_found, palette_differs, palette_reordered

Masks = Sequence[MaskFacts]
#: changes of ids of which so many, in this share, are ramps: the mask was interpolated
_RAMPS, _RAMP_SHARE = 8, 0.1
#: labels of a class, from which on a class in none of their masks is told
_ENOUGH = 5
_WRONG_LABELS = (
    'look at both (tools/misc/browse_dataset.py CONFIG --split test) and correct the '
    'wrong one; check_masks=False in the data set only warns, where the labels are '
    'known to be incomplete'
)


def mask_findings(
    masks: Masks,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
    pseudo: bool = False,
) -> list[Finding]:
    """Everything that is wrong, the reasons before their consequences.

    Args:
        masks: those that were looked at.
        classes: background first.
        palette: colours by class id, where the data set has some of its own.
        pseudo: the masks are guesses of a network: they may hold none of a class.
    """
    if not masks:
        return []
    count = len(classes)
    found: list[Finding | None] = [
        colours_found(masks),
        palette_reordered(masks),
        foreign_ids(masks, count),
    ]
    wrong = contradicted(masks, classes, NEVER if pseudo else LIMIT)
    clear = wrong is not None and wrong.refused
    found.append(palette_differs(masks, classes, palette, clear))
    found.append(wrong)
    ramps = None if pseudo else interpolated(masks)
    found.append(ramps)
    if not clear and not pseudo:
        found.append(hollow(masks, count))
        found.append(negatives_with_objects(masks, classes))
        found.append(classes_never_found(masks, classes))
        if ramps is None or not ramps.refused:
            found.append(unnamed_classes(masks, classes))
        found.append(mostly_ignored(masks))
    return [one for one in found if one is not None]


def foreign_ids(masks: Masks, num_classes: int) -> Finding | None:
    """Ids that are neither a class nor 255; a test stops at the first."""
    known = {*range(num_classes), 255}
    bad = _those(masks, lambda mask: not known.issuperset(mask.pixels))
    if not bad:
        return None
    ids = sorted(set(bad[0].pixels) - known)
    meaning = meaning_of_ids(masks, num_classes)
    ramps = interpolated(masks)
    if ramps is not None and ramps.refused:
        meaning = f'{ramps.example} {ramps.problem}', ramps.fix
    problem = (
        f'holds the ids {ids[:8]}, outside 0..{num_classes - 1} and 255, as '
        f'{len(bad)} of {len(masks)} masks do'
    )
    if meaning:
        problem, fix = f'{problem}; {meaning[0]}', meaning[1]
    else:
        fix = 'correct the mask, or the list of classes of the data set'
    return Finding.of_masks('ids without a class', bad, masks, problem, fix, 0)


def contradicted(
    masks: Masks, classes: Sequence[str], limit: float = LIMIT
) -> Finding | None:
    """Masks that hold none of the classes that their image label names."""
    told, bad = held_against_labels(masks)
    if not bad:
        return None
    first, fix = bad[0], _WRONG_LABELS
    problem = (
        f'contradicts its image label: it names {_names(first.labels or (), classes)}, '
        f'the mask holds {_ids(first)}; {len(bad)} of {len(told)} masks hold none of '
        'the classes that their label names'
    )
    if len(bad) > LIMIT * len(told):
        meaning = meaning_of_ids(masks, len(classes))
        if meaning:
            problem, fix = f'{problem}; {meaning[0]}', meaning[1]
    return Finding.of_masks('contradicts its label', bad, told, problem, fix, limit)


def held_against_labels(masks: Masks) -> tuple[list[MaskFacts], list[MaskFacts]]:
    """Masks that say something of their label, and those of them that contradict it.

    Where all of a mask is ignored it says nothing.
    """
    told = [mask for mask in masks if mask.labels and set(mask.pixels) - {255}]
    return told, [m for m in told if m.labels and not m.labels & m.classes]


def interpolated(masks: Masks) -> Finding | None:
    """Masks with ramps of ids that their label doesn't name, where two ids meet."""
    told = [mask for mask in masks if mask.labels is not None and not mask.is_colour]
    bad = _those(told, _has_ramps)
    if not bad:
        return None
    ids = sorted(i for i in bad[0].between if i not in bad[0].labels)  # type: ignore[operator]
    return Finding.of_masks(
        'interpolated',
        bad,
        told,
        f'was resized with interpolation: along its borders lie the ids {ids[:8]}, '
        f'between those that meet there, and its image label names none of them; so '
        f'do {len(bad)} of {len(told)} masks',
        'write them again from the originals, resized by nearest neighbours',
    )


def _has_ramps(mask: MaskFacts) -> bool:
    """Whether many changes of ids go through ids that aren't named."""
    named = {0, 255} | (mask.labels or frozenset())
    ramps = sum(count for i, count in mask.between.items() if i not in named)
    return ramps >= _RAMPS and ramps >= _RAMP_SHARE * mask.changes


def hollow(masks: Masks, num_classes: int) -> Finding | None:
    """Masks of 0 and 255 alone, where no label says that they should hold more."""
    if any(mask.classes or mask.labels or mask.is_colour for mask in masks):
        return None
    bad = _those(masks, lambda mask: 255 in mask.pixels and mask.labels is None)
    meaning = meaning_of_ids(masks, num_classes)
    if not bad or meaning is None:
        return None
    return Finding.of_masks(
        'only 0 and 255',
        bad,
        masks,
        f'holds no class, nor do {len(masks) - 1} others: {meaning[0]}',
        meaning[1],
    )


def negatives_with_objects(masks: Masks, classes: Sequence[str]) -> Finding | None:
    """Masks with objects in pictures that are labelled to have none."""
    told = [mask for mask in masks if mask.labels is not None and not mask.is_colour]
    bad = _those(told, lambda mask: not mask.labels and bool(mask.classes))
    if not bad:
        return None
    return Finding.of_masks(
        'object without a label',
        bad,
        told,
        f'holds {_names(bad[0].classes, classes)}, and its picture is '
        f'labelled to hold no object; so are {len(bad)} of {len(told)} '
        'pictures with masks',
        _WRONG_LABELS,
    )


def unnamed_classes(masks: Masks, classes: Sequence[str]) -> Finding | None:
    """Masks with classes that their label lacks: told where they are many."""
    told = [mask for mask in masks if mask.labels and not mask.is_colour]
    bad = _those(told, lambda mask: bool(mask.classes - (mask.labels or frozenset())))
    if len(bad) <= LIMIT * len(told):
        return None
    extra = bad[0].classes - (bad[0].labels or frozenset())
    return Finding.of_masks(
        'labels incomplete',
        bad,
        told,
        f'holds {_names(extra, classes)}, which its image label does not '
        f'name; so do {len(bad)} of {len(told)} masks: the labels are '
        'incomplete',
        'add the classes to the labels',
        NEVER,
    )


def classes_never_found(masks: Masks, classes: Sequence[str]) -> Finding | None:
    """A class that labels name and none of their masks holds."""
    masks = [mask for mask in masks if set(mask.pixels) - {255}]
    named = Counter(c for mask in masks for c in mask.labels or ())
    there = Counter(c for mask in masks for c in (mask.labels or set()) & mask.classes)
    lacking = [c for c, count in named.items() if count >= _ENOUGH and not there[c]]
    if not lacking:
        return None
    bad = _those(masks, lambda mask: bool(set(lacking) & (mask.labels or set())))
    return Finding.of_masks(
        'class in no mask',
        bad,
        masks,
        f'lacks what its label names, as all {len(bad)} masks do whose '
        f'label names {_names(lacking, classes)}: perhaps the class has '
        'another id there',
        _WRONG_LABELS,
        NEVER,
    )


def mostly_ignored(masks: Masks) -> Finding | None:
    """Masks of which more than half doesn't count, where they are many."""
    bad = _those(masks, lambda mask: 2 * mask.pixels.get(255, 0) > mask.total)
    if len(bad) <= LIMIT * len(masks):
        return None
    return Finding.of_masks(
        'mostly ignored',
        bad,
        masks,
        f'is 255, "not counted", in more than half of its pixels, as {len(bad)} of '
        f'{len(masks)} masks are',
        'see if it is meant; if 255 is their background: '
        + command(masks, '--map', ['255=0']),
        NEVER,
    )


def _those(masks: Masks, wrong: Callable[[MaskFacts], bool]) -> list[MaskFacts]:
    return [mask for mask in masks if wrong(mask)]


def _names(ids: Sequence[int] | frozenset[int], classes: Sequence[str]) -> str:
    """Classes by name and id, or what has no name by its id."""
    return ', '.join(
        f'{classes[i]!r} ({i})' if i < len(classes) else f'id {i}' for i in sorted(ids)
    )


def _ids(mask: MaskFacts) -> str:
    ids = sorted(mask.pixels)
    more = f' and {len(ids) - 8} more' if len(ids) > 8 else ''
    return f'the ids {", ".join(map(str, ids[:8]))}{more}'
