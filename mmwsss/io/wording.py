# Licensed under Apache-2.0.
"""Settings in messages, as whoever reads them would write them.

A check that data sets and tools share doesn't know whether a config or a command line
gave the setting: it names it by :func:`setting`, and a tool says by :func:`worded` what
its options are called.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_OPTIONS: ContextVar[Mapping[str, str]] = ContextVar('options')


@contextmanager
def worded(options: Mapping[str, str]) -> Iterator[None]:
    """Within it settings are named as options; also a decorator.

    Args:
        options: of the tool, by the name of the setting in a config.
    """
    token = _OPTIONS.set(options)
    try:
        yield
    finally:
        _OPTIONS.reset(token)


def setting(name: str, value: Any = True) -> str:
    """A setting as the config has it, or as the option of the tool that runs.

    Args:
        name: in a config, e.g. ``'picture'``.
        value: a dict of entries, a tuple of names, a name; ``True``: the name alone.

    Example:
        >>> setting('picture', dict(bands=(0, 1))), setting('negatives', ('ok',))
        ('picture=dict(bands=(0, 1))', "negatives=('ok',)")
        >>> with worded({'picture': '--picture', 'negatives': '--negatives'}):
        ...     setting('picture', dict(bands=(0, 1))), setting('negatives', ('ok',))
        ('--picture bands=0,1', '--negatives ok')
    """
    option = _OPTIONS.get({}).get(name)
    if option is None:
        return _in_config(name, value)
    return ' '.join([option, *_words(value)])


def of_data_set(name: str, value: Any = True) -> str:
    """A setting of the data set, of which a tool's own options don't speak."""
    named = setting(name, value)
    return named if named.startswith('-') else f'{named} of the data set'


def _in_config(name: str, value: Any) -> str:
    if value is True:
        return name
    if isinstance(value, Mapping):
        entries = ', '.join(f'{key}={item!r}' for key, item in value.items())
        return f'{name}=dict({entries})'
    return f'{name}={value!r}'


def _words(value: Any) -> list[str]:
    """The words behind an option."""
    if value is True:
        return []
    if isinstance(value, Mapping):
        return [shlex.quote(f'{k}={_joined(item)}') for k, item in value.items()]
    return [
        shlex.quote(str(v)) for v in (value if isinstance(value, tuple) else [value])
    ]


def _joined(item: Any) -> str:
    return ','.join(map(str, item)) if isinstance(item, (tuple, list)) else str(item)
