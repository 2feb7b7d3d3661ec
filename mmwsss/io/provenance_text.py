# Licensed under Apache-2.0.
"""A record of :mod:`.provenance` in lines to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_UNKNOWN = 'says nothing of where it comes from'


def provenance_lines(record: Mapping[str, Any] | None, indent: int = 0) -> list[str]:
    """Code, settings, data and parents, each parent's own record below it.

    Args:
        record: see :mod:`.provenance`; ``None``: there is none.
        indent: blanks before each line.
    """
    if record is None:
        return [f'{" " * indent}{_UNKNOWN}']
    lines = [_code_line(record['code']), _config_line(record['config'])]
    for facts in record['data']:
        lines += _data_lines(facts)
    for one in record['parents']:
        lines += _parent_lines(one)
    if record.get('resumed'):
        lines.append(f'went on at   {", ".join(map(str, record["resumed"]))}')
    return [f'{" " * indent}{line}' for line in lines]


def _code_line(code: Mapping[str, Any]) -> str:
    commit = f', commit {code["commit"][:12]}' if code.get('commit') else ''
    return f'code         mmwsss {code["version"]}{commit}, sources {code["sources"]}'


def _config_line(config: Mapping[str, Any]) -> str:
    return f'config       {config["path"] or "no file"}, settings {config["hash"]}'


def _data_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    for part in facts.get('parts', ()):
        yield from _data_lines(part)
    if 'pictures' in facts:
        labels = f', labels {facts["labels"]}' if 'labels' in facts else ''
        place = f' of {facts["path"]}' if facts.get('path') else ''
        kind = facts['kind']
        yield f'data         {kind}: {facts["pictures"]} pictures{place}{labels}'
    for folder, record in facts.get('made_by', {}).items():
        yield f'  made       {folder}'
        yield from provenance_lines(record, 4)


def _parent_lines(one: Mapping[str, Any]) -> Iterator[str]:
    digest = f', sha256 {one["sha256"][:16]}' if one.get('sha256') else ''
    at = f', iteration {one["iteration"]}' if one.get('iteration') is not None else ''
    yield f'from         {one["source"]} ({one["role"]}{at}{digest})'
    if one.get('record') is not None:
        yield from provenance_lines(one['record'], 4)
