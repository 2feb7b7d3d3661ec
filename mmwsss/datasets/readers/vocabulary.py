# Licensed under Apache-2.0.
from __future__ import annotations

import re
from dataclasses import dataclass

from mmwsss.datasets.image_names import composed


def name_key(name: str) -> str:
    """How names are compared: composed, without case and outer ``_``, a blank as ``_``.

    Example:
        >>> name_key('Traffic Light'), name_key('_background_')
        ('traffic_light', 'background')
    """
    return composed(name).replace(' ', '_').casefold().strip('_')


#: blanks, _ and - between letters; and between a letter or number and a number
_WITHIN = re.compile(r'(?<=[^\W_])[\s_-]+(?=[^\W\d_])')
_BEFORE_NUMBER = re.compile(r'(?<=[^\W_])[\s_]+(?=\d)|(?<=[^\W\d_])-(?=\d)')


def spelling_key(name: str) -> str:
    """What spellings of one class have in common; numbers stay apart.

    Example:
        >>> spelling_key('Dining-Table') == spelling_key('dining table')
        True
        >>> spelling_key('A-'), spelling_key('1-2'), spelling_key('class 12')
        ('a-', '1-2', 'class_12')
    """
    return _BEFORE_NUMBER.sub('_', _WITHIN.sub('', name_key(name)))


@dataclass(frozen=True)
class Vocabulary:
    """Labels that a data set knows; empty where nobody knows.

    Attributes:
        classes: foreground classes, in their order.
        others: other spellings of them, and what means "no object".
    """

    classes: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    def __contains__(self, label: object) -> bool:
        return label in self.classes or label in self.others
