# Licensed under Apache-2.0.
"""The config in the log of a run, without the middle of its long lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: how mmengine's line begins
_BEGIN = 'Config:\n'
#: items from which on a list is long, and those that are shown of it
LONG, SHOWN = 12, 3


@contextmanager
def short_config_in_log() -> Iterator[None]:
    """Within it the config that MMEngine's runner logs is :func:`shortened`.

    The classes and colours of 80 classes, three times over, are 1,700 lines. The config
    that a run leaves in its work dir has all of them.
    """
    usual = logging.getLogRecordFactory()

    def record_of(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = usual(*args, **kwargs)
        if isinstance(record.msg, str) and record.msg.startswith(_BEGIN):
            record.msg = _BEGIN + shortened(record.msg.removeprefix(_BEGIN))
        return record

    logging.setLogRecordFactory(record_of)
    try:
        yield
    finally:
        logging.setLogRecordFactory(usual)


def shortened(text: str) -> str:
    """The text of a config whose long lists have their first items and a number.

    Args:
        text: as mmengine writes it: an item of a long list begins a line of its own,
            four blanks further in than the list's.

    Example:
        >>> print(shortened('a = [\\n' + '    1,\\n' * 80 + ']'))
        a = [
            1,
            1,
            1,
            # ... 77 more
        ]
    """
    lines, found = text.split('\n'), []
    at = 0
    while at < len(lines):
        found.append(lines[at])
        items, end = _items(lines, at)
        if len(items) > LONG:
            found += lines[at + 1 : items[SHOWN]]
            inside = ' ' * (_indent(lines[items[0]]))
            found.append(f'{inside}# ... {len(items) - SHOWN} more')
            at = end
        else:
            at += 1
    return '\n'.join(found)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(' '))


def _items(lines: list[str], at: int) -> tuple[list[int], int]:
    """Where the items of a list begin that a line opens, and where it is closed."""
    line = lines[at]
    if not line.endswith(('[', '(')) or line.endswith('dict('):
        return [], at
    inside = _indent(line) + 4
    items, end = [], at + 1
    while end < len(lines) and _indent(lines[end]) >= inside:
        if _indent(lines[end]) == inside and lines[end].lstrip()[0] not in ')]}':
            items.append(end)
        end += 1
    return items, end
