# Licensed under Apache-2.0.
"""What the ids or colours of masks mean, in words, and the command that mends them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from typing import Any

from mmwsss.io.wording import setting

from .mask_facts import Colour, MaskFacts
from .symbol_map import symbol_map

#: makes masks of class ids from others
TOOL = 'tools/dataset_converters/masks.py'
#: from so many different ids or colours on a mask was not drawn with them
MANY = 24


def meaning_of_ids(
    masks: Sequence[MaskFacts], num_classes: int
) -> tuple[str, str] | None:
    """What the ids stand for, if they aren't those of the classes.

    Args:
        masks: all that were looked at.
        num_classes: background included.

    Returns:
        What was found, and the fix; ``None`` if the image labels don't tell.
    """
    ids = {i for mask in masks for i in mask.pixels}
    if ids <= {0}:
        return None
    single = _one_object(masks, ids, num_classes)
    if single is not None:
        return single
    if len(ids) > MANY + num_classes:
        return (
            f'they hold {len(ids)} different ids, as masks do that were resized with '
            'interpolation or saved as JPEG',
            'write them again as PNG, resized by nearest neighbours',
        )
    found = _told([mask for mask in masks if mask.labels is not None], 'pixels')
    if found is None:
        return _instances(masks)
    pairs = [(i, c) for i, c in found.items() if c]
    shifts = {c - i for i, c in pairs}
    if shifts == {0}:
        return None
    if len(shifts) == 1 and (len(pairs) > 1 or num_classes == 2):
        return _shifted(masks, found, shifts.pop(), num_classes)
    return _renamed(masks, found, ids, num_classes)


def _told(masks: Sequence[MaskFacts], what: str) -> dict[Any, int] | None:
    """Which classes ids or colours stand for, see :func:`symbol_map`."""
    held = [getattr(mask, what) for mask in masks]
    return symbol_map(held, [mask.labels or () for mask in masks])


def _renamed(
    masks: Sequence[MaskFacts],
    found: Mapping[Any, int],
    ids: Set[int],
    num_classes: int,
) -> tuple[str, str]:
    """Of masks whose ids stand for other classes, without a rule."""
    pairs = [f'{i}={c}' for i, c in found.items() if i != c]
    text, fix = ': ' + ', '.join(pairs), command(masks, '--map', pairs)
    if set(found) <= {*range(num_classes), 255}:
        text = f', in another order{text}'
        fix += ', or list the classes in the order of the ids (--classes of folder.py)'
    rest = sorted(ids - found.keys() - {0, 255})
    if rest:
        fix += f' (what the ids {rest[:8]} stand for the labels do not tell)'
    return f'by the image labels the ids stand for other classes{text}', fix


def meaning_of_colours(masks: Sequence[MaskFacts]) -> str:
    """The command that makes ids from colours, with the classes that labels tell."""
    seen: dict[Colour, int] = {}
    for mask in masks:
        for colour, count in mask.colours.items():
            seen[colour] = seen.get(colour, 0) + count
    if seen and all(red == green == blue for red, green, blue in seen):
        return command(masks, '', ())
    found = _told([mask for mask in masks if mask.labels is not None], 'colours')
    if found:
        shown = [f'{_rgb(colour)}={c}' for colour, c in found.items()]
        return command(masks, '--colours', shown) + ', as the image labels tell'
    first = sorted(seen, key=lambda colour: -seen[colour])[:6]
    return command(masks, '--colours', [f'{_rgb(colour)}=ID' for colour in first])


def command(masks: Sequence[MaskFacts], option: str, pairs: Sequence[str]) -> str:
    """The call of the converter, and where its masks are to be named."""
    folder = os.path.dirname(masks[0].path) or '.'
    words = ['python', TOOL, folder, 'OUT', *filter(None, [option]), *pairs]
    where = setting('data_prefix.seg_map_path')
    return f'{" ".join(words)}, and name OUT instead ({where})'


def _rgb(colour: Colour) -> str:
    return ','.join(map(str, colour))


def _one_object(
    masks: Sequence[MaskFacts], ids: Set[int], num_classes: int
) -> tuple[str, str] | None:
    """Of masks that hold one id beside 0, whatever class the label names."""
    objects = ids - {0}
    if len(objects) != 1 or all(len(mask.pixels) < 2 for mask in masks):
        return None
    (i,) = objects
    named = {c for mask in masks for c in mask.labels or ()}
    if i != 255 and len(named) < 2:
        return None  # the image labels tell which class it is
    text = f'they hold only 0 and {i}'
    if i == 255:
        text += ', and 255 means "not counted"'
    mend = command(masks, '--map', [f'{i}=1'])
    if num_classes == 2:
        return text, mend
    return (
        f'{text}; with {num_classes - 1} classes they do not say which one an object '
        'has',
        'draw each class with its own id; or make a data set of one class of them'
        + (f': {mend}' if i != 1 else ''),
    )


def _instances(masks: Sequence[MaskFacts]) -> tuple[str, str] | None:
    """Of masks in which ids count 1, 2, ... in every picture."""
    most = max(len(mask.classes) for mask in masks)
    counted = (mask.classes == set(range(1, len(mask.classes) + 1)) for mask in masks)
    if most < 2 or not all(counted):
        return None
    return (
        'their ids count 1, 2, ... in each mask, as numbers of instances do',
        'write the id of its class for each instance',
    )


def _shifted(
    masks: Sequence[MaskFacts], found: Mapping[Any, int], by: int, num_classes: int
) -> tuple[str, str]:
    """Of masks whose ids are those of the classes, but for a number."""
    ids = {i for mask in masks for i in mask.pixels}
    behind = [i for i, c in found.items() if c == 0] or [255]
    wanted = {i: 0 for i in behind if i and i in ids}
    wanted |= {c - by: c for c in range(1, num_classes) if c - by in ids}
    if by == 1:
        text = (
            'their ids are shifted by one: 0 stands for the first class'
            + (' and 255 for the background' if 255 in ids else '')
            + ', as masks for reduce_zero_label=True have it'
        )
    else:
        text = f'their ids are shifted: id i stands for the class i {by:+d}'
    return text, command(masks, '--map', [f'{i}={c}' for i, c in wanted.items()])
