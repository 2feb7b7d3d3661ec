# Licensed under Apache-2.0.
"""What the colours of masks say against their ids, or instead of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .finding import LIMIT, NEVER, Finding
from .mask_facts import Colour, MaskFacts
from .meaning import MANY, command, meaning_of_colours


def colours_found(masks: Sequence[MaskFacts]) -> Finding | None:
    """Masks of colours instead of ids; a test stops at the first."""
    bad = [mask for mask in masks if mask.is_colour]
    if not bad:
        return None
    most = max(mask.many for mask in bad)
    first = list(bad[0].colours)[:4]
    problem = (
        f'holds colours, not class ids, as {len(bad)} of {len(masks)} masks do '
        f'({bad[0].many} of them: {", ".join(map(str, first))}'
        f'{", ..." if bad[0].many > len(first) else ""})'
    )
    fix = meaning_of_colours(bad)
    if most > MANY * 4:
        problem += f'; up to {most} colours are those of a photo or a JPEG'
        fix = 'give the folder of the masks; masks are PNGs, never JPEGs'
    return Finding.of_masks('colours', bad, masks, problem, fix, 0)


def palette_reordered(masks: Sequence[MaskFacts]) -> Finding | None:
    """Masks of which each has an order of its own: one colour, several ids.

    It happens where coloured masks were reduced to indexed PNGs one by one: ids are
    then places in the palette of the file. A mask is one of them if it has a colour at
    another id than most masks, and that id has other colours elsewhere.
    """
    indexed = [mask for mask in masks if mask.indexed]
    pairs = Counter(pair for mask in indexed for pair in mask.indexed.items())
    at: dict[Colour, Counter[int]] = {}
    of: dict[int, set[Colour]] = {}
    for (index, colour), count in pairs.items():
        at.setdefault(colour, Counter())[index] += count
        of.setdefault(index, set()).add(colour)
    main = {colour: counts.most_common(1)[0][0] for colour, counts in at.items()}
    bad = [
        mask
        for mask in indexed
        if any(i != main[c] and len(of[i]) > 1 for i, c in mask.indexed.items())
    ]
    if not bad:
        return None
    index, colour = next((i, c) for i, c in bad[0].indexed.items() if i != main[c])
    return Finding.of_masks(
        'palette re-ordered',
        bad,
        masks,
        f'contradicts other masks: the colour {colour} has the id {index} in it and '
        f'{main[colour]} elsewhere; the ids of {len(bad)} of {len(masks)} masks are '
        'places in a palette of the file, not classes',
        meaning_of_colours(indexed),
    )


def palette_differs(
    masks: Sequence[MaskFacts],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None,
    clear: bool,
) -> Finding | None:
    """Masks that show a class in the colour that the data set has for another.

    Args:
        masks: those that were looked at.
        classes: background first.
        palette: colours by class id, where the data set has some of its own.
        clear: the image labels say that the ids are wrong: it is refused then.
    """
    place = _places(palette or ())
    moved: dict[int, int] = {}
    bad = []
    for mask in masks:
        pairs = mask.indexed.items()
        found = {i: place[c] for i, c in pairs if place.get(c, i) != i}
        moved |= found
        bad += [mask] if found else []
    if not bad:
        return None
    named = ', '.join(
        f'{i} in the colour of {classes[c]!r} ({c})' for i, c in list(moved.items())[:4]
    )
    return Finding.of_masks(
        'palette in another order',
        bad,
        masks,
        f'has a palette in another order than the data set: the id {named}, as '
        f'{len(bad)} of {len(masks)} masks have',
        command(bad, '--map', [f'{i}={c}' for i, c in moved.items()])
        + ' if the colours are right, or list the classes (and palette) in the order '
        'of the ids',
        LIMIT if clear else NEVER,
    )


def _places(palette: Sequence[Sequence[int]]) -> dict[Colour, int]:
    """Class id of each colour that no other class has."""
    colours: list[Colour] = [(c[0], c[1], c[2]) for c in palette]
    counts = Counter(colours)
    return {colour: i for i, colour in enumerate(colours) if counts[colour] == 1}
