# Licensed under Apache-2.0.
"""Whether the values of settings are of the types that their dataclass says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from typing import Any


def is_number(value: Any) -> bool:
    """Whether it is a number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether it is a whole number; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_list_of(fits: Callable[[Any], bool], value: Any) -> bool:
    """Whether it is a list or tuple of what fits; a word is none."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and all(map(fits, value))


#: annotation of a setting → what it must be, in words, and whether it is
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    'bool': ('True or False', lambda v: isinstance(v, bool)),
    'str': ('a word', lambda v: isinstance(v, str)),
    'int': ('a whole number', is_whole),
    'float': ('a number', is_number),
    'Sequence[str]': (
        'a list of words',
        lambda v: is_list_of(lambda one: isinstance(one, str), v),
    ),
    'Sequence[int]': ('a list of whole numbers', lambda v: is_list_of(is_whole, v)),
    'Sequence[float]': ('a list of numbers', lambda v: is_list_of(is_number, v)),
    'Mapping[str, Any]': ('dict(...)', lambda v: isinstance(v, Mapping)),
}


def check_types(settings: Any, name: str) -> None:
    """Refuse a value of another type than its field has.

    A word like ``'False'`` would count as true, a number in the place of a list end in
    a message that names neither.

    Args:
        settings: an instance of a dataclass of settings.
        name: of the group in a config.

    Raises:
        ValueError: naming the entry, what it must be and what it is.
    """
    for one in fields(settings):
        kind, _, optional = str(one.type).partition(' | ')
        value = getattr(settings, one.name)
        if kind not in KINDS or (optional and value is None):
            continue
        wanted, fits = KINDS[kind]
        if not fits(value):
            wanted += ' or None' if optional else ''
            raise ValueError(f'{name}.{one.name} must be {wanted}, got {value!r}')


def check_positive(name: str, values: Sequence[float]) -> None:
    """Raise ValueError unless it is a list of numbers, and all of them positive."""
    if (
        not is_list_of(is_number, values)
        or not values
        or not all(0 < value < math.inf for value in values)
    ):
        raise ValueError(f'{name} must hold positive numbers, got {values!r}')
