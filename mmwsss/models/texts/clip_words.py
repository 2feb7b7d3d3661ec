# Licensed under Apache-2.0.
"""Words that a text encoder knows for classes and backgrounds.

The lists are those of CLIP-ES (CVPR 2023), for VOC and COCO, misspelling included: it
changes the tokens. Other data sets bring their own, in their metainfo or a text file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmwsss.io.errors import UserError

#: CLIP-ES's prompt for foreground and background words
TEMPLATES = ('a clean origami {}.',)
#: class → its words in the prompt, where they aren't its name
SYNONYMS: dict[str, str] = {
    'bird': 'bird avian',
    'chair': 'chair seat',
    'person': 'person with clothes,people,human',
    'tvmonitor': 'tvmonitor screen',
    # COCO
    'backpack': 'backpack,bag',
    'umbrella': 'umbrella,parasol',
    'handbag': 'handbag,purse',
    'tie': 'necktie',
    'snowboard': 'sknowboard',
    'baseball glove': 'glove',
    'spoon': 'dessertspoon',
    'remote': 'remote control',
    'hair drier': 'hairdrier,blowdrier',
    # COCO's own names of classes that CLIP-ES calls as VOC does
    'motorcycle': 'motorbike',
    'airplane': 'aeroplane',
    'couch': 'sofa',
    'potted plant': 'pottedplant',
    'dining table': 'diningtable',
    'tv': 'tvmonitor screen',
}
#: what else is in pictures; words of a data set's class names are left out
BACKGROUND = (
    *('ground', 'land', 'grass', 'tree', 'building', 'wall', 'sky', 'lake', 'water'),
    *('river', 'sea', 'railway', 'railroad', 'keyboard', 'helmet', 'cloud', 'house'),
    *('mountain', 'ocean', 'road', 'rock', 'street', 'valley', 'bridge', 'sign'),
)
#: keys of ``metainfo['prompts']`` that are no classes
_OTHERS = ('background', 'template')


class ClipWords(NamedTuple):
    """What a text encoder is asked.

    Attributes:
        foreground: for each class, without background, one or several words or phrases
            (their vectors are averaged).
        background: words or phrases, each a competitor of its own.
        templates: sentences with ``{}`` for the word; vectors are averaged over them.
    """

    foreground: tuple[tuple[str, ...], ...]
    background: tuple[str, ...]
    templates: tuple[str, ...] = TEMPLATES


def words_of(
    classes: Sequence[str],
    prompts: Mapping[str, str | Sequence[str]] | None = None,
    source: str = "metainfo['prompts']",
) -> ClipWords:
    """The words for a data set's classes.

    Args:
        classes: names, ``'background'`` first.
        prompts: class → words or a list of them; ``'background'`` → a list of words,
            ``'template'`` → one or several sentences with ``{}``. What it doesn't have
            comes from the lists above, or is the class's own name.
        source: where they are from, for messages.

    Raises:
        UserError: if a class has neither words nor a name, ``prompts`` has a class that
            the data set hasn't or no background words, or a template has no ``{}``.
    """
    given = {name: _tuple(value) for name, value in (prompts or {}).items()}
    names = tuple(classes[1:])
    unknown = sorted(set(given) - {*names, *_OTHERS})
    if unknown:
        raise UserError(
            f'{source} has words for {unknown[0]!r}, which is no class of the data '
            f'set ({", ".join(names)}), nor one of {_OTHERS}'
        )
    templates = given.get('template', TEMPLATES)
    for template in templates:
        if template.count('{}') != 1:
            raise UserError(
                f'{source}: a template has one {{}} for the word, got {template!r}'
            )
    if not given.get('background', BACKGROUND):
        raise UserError(
            f'{source} has no background words: a class alone in its picture then has '
            'nothing to compete with, and no map. Give some, or leave the entry out'
        )
    taken = {word for name in names for word in (name, *name.split())}
    background = tuple(word for word in BACKGROUND if word not in taken)
    return ClipWords(
        tuple(_class_words(i, name, given, source) for i, name in enumerate(names, 1)),
        given.get('background', background),
        templates,
    )


def _class_words(
    number: int, name: str, given: Mapping[str, tuple[str, ...]], source: str
) -> tuple[str, ...]:
    found = given.get(name) or (SYNONYMS.get(name, name.replace('_', ' ')),)
    bare = [word for word in found if not any(map(str.isalpha, word))]
    if bare:
        raise UserError(
            f'class {number} ({name!r}) has no word for a text encoder: give it one in '
            f'{source}, {name!r}: words'
        )
    return found


def _tuple(value: str | Sequence[str]) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else tuple(value)
    return tuple(word.strip() for word in words)


def read_words(path: str | Path) -> dict[str, list[str]]:
    """A text file of words: ``name: words``, a line each; see :func:`words_of`.

    A name may stand in several lines: its words are then a list. What follows ``#`` is
    a remark. ::

        # our parts
        gasket: rubber gasket ring
        gasket: seal
        background: workbench
        background: glove
        template: a photo of a {}.

    Returns:
        Name → its words.

    Raises:
        UserError: naming the line that has no colon, or nothing after it.
    """
    found: dict[str, list[str]] = {}
    for number, line in enumerate(Path(path).read_text('utf-8').splitlines(), 1):
        text = line.partition('#')[0].strip()
        if not text:
            continue
        name, colon, words = (part.strip() for part in text.partition(':'))
        if not (name and colon and words):
            raise UserError(
                f'{path}, line {number}: words are given as "class: words", got '
                f'{line.strip()!r}'
            )
        found.setdefault(name, []).append(words)
    return found
