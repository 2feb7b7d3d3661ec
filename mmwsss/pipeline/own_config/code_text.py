# Licensed under Apache-2.0.
"""Settings as Python text, short where they fit on a line. Pure functions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

WIDTH = 88
_STEP = 4
#: entries of a list that are shorter share lines
_SHORT = 24
_BLANK = '\x01'


class Name(str):
    """A name in the text: written as it is, not as a string."""


def code(value: Any, before: int = 0, indent: int = 0) -> str:
    """Python text of plain data.

    Args:
        value: numbers, strings, ``None``, lists, tuples, mappings, :class:`Name`. A
            mapping is ``dict(...)``; its key ``'**data'`` with a name lays that over.
        before: characters before it on its line, and behind it.
        indent: of the line.

    Returns:
        One line where it fits into ``WIDTH``, else one entry a line.

    Example:
        >>> code(dict(a=1, b=(2, 'x')))
        "dict(a=1, b=(2, 'x'))"
    """
    flat = _flat(value)
    if before + len(flat) <= WIDTH or not isinstance(value, (Mapping, list, tuple)):
        return flat
    inner = indent + _STEP
    if isinstance(value, Mapping):
        named = _named(value)
        first, last = ('dict(', ')') if named else ('{', '}')
        starts = [_key(key, named) for key in value]
        items = list(value.values())
    else:
        first, last = '[]' if isinstance(value, list) else '()'
        starts, items = [''] * len(value), list(value)
        if all(len(_flat(item)) <= _SHORT for item in items):
            lines = _filled([f'{_flat(item)},' for item in items], inner)
            return '\n'.join([first, *lines, ' ' * indent + last])
    lines = [
        f'{" " * inner}{start}{code(item, inner + len(start) + 1, inner)},'
        for start, item in zip(starts, items)
    ]
    return '\n'.join([first, *lines, ' ' * indent + last])


def assignment(name: str, value: Any) -> str:
    """``name = value``, with a line break behind it."""
    return f'{name} = {code(value, len(name) + 3)}\n'


def _filled(items: list[str], indent: int) -> list[str]:
    """Lines of as many entries as fit."""
    joined = ' '.join(item.replace(' ', _BLANK) for item in items)  # not broken within
    start = ' ' * indent
    lines = textwrap.wrap(
        joined,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_BLANK, ' ') for line in lines]


def _flat(value: Any) -> str:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, Mapping):
        named = _named(value)
        inner = ', '.join(_key(k, named) + _flat(v) for k, v in value.items())
        return f'dict({inner})' if named else f'{{{inner}}}'
    if isinstance(value, tuple):
        end = ',' if len(value) == 1 else ''
        return f'({", ".join(map(_flat, value))}{end})'
    if isinstance(value, list):
        return f'[{", ".join(map(_flat, value))}]'
    return repr(value)


def _named(value: Mapping) -> bool:
    """Whether a mapping can be written as ``dict(...)``."""
    return all(str(key).isidentifier() or _lays(key) for key in value)


def _lays(key: Any) -> bool:
    return str(key).startswith('**')


def _key(key: Any, named: bool) -> str:
    if _lays(key):
        return '**'
    return f'{key}=' if named else f'{key!r}: '
