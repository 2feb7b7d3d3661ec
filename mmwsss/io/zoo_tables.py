# Licensed under Apache-2.0.
"""The tables of the model zoo as Markdown, made of metafiles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import zoo_cells as cells
from .errors import UserError
from .initial_weights import Backbone

Entry = Mapping[str, Any]
ZOO_PAGE = 'docs/en/model_zoo.md'
#: the score of a table: the first of these that a file of weights has
_SCORES = ('seg_mIoU', 'mIoU', 'cam_mIoU', 'cls_mAP')


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a title that ends with ``:`` is of a column of numbers."""
    lines = [f'| {" | ".join(title.rstrip(":") for title in titles)} |']
    lines.append(
        f'|{"|".join("---:" if title.endswith(":") else "---" for title in titles)}|'
    )
    lines += [f'| {" | ".join(row)} |' for row in rows]
    return '\n'.join(lines) + '\n'


def methods_table(collections: Iterable[Entry]) -> str:
    """The collections that have a paper, by year and name, for the README.

    Raises:
        UserError: if one lacks a key of the table.
    """
    found = [_method(entry) for entry in collections if 'Paper' in entry]
    titles = ('method', 'kind', 'paper', 'configs')
    return table(titles, [row for _, row in sorted(found)])


def _method(entry: Entry) -> tuple[tuple[str, str], list[str]]:
    try:
        name, readme = entry['Name'], entry['README']
        kind, cited = (entry['Metadata'][key] for key in ('Kind', 'Cited As'))
        paper = f'[{cited}]({entry["Paper"]["URL"]})'
    except KeyError as error:
        raise UserError(
            f'the metafile of {entry.get("Name")} has no {error}: a collection with a '
            'Paper needs Name, README, Paper: {URL}, Metadata: {Kind, Cited As}'
        ) from None
    folder = Path(readme).parent.name
    return (cited[-4:], name), [name, kind, paper, f'[{folder}]({readme})']


def configs_table(entries: Sequence[Entry], folder: str) -> str:
    """All configs of a method, for the page in their folder.

    Args:
        entries: of its metafile.
        folder: of the page, in the repository.
    """
    told = cells.kinds_of(cells.all_published(entries))
    found = cells.kinds_of(cells.all_measured(entries))
    columns: dict[str, Callable[[Entry], str]] = {
        'config': lambda e: cells.config(e, folder),
        'supervision': lambda e: e['Metadata']['Supervision'],
        'network, initial weights': cells.network,
        'data': cells.data,
        'iterations': cells.schedule,
        f'**published** by the authors, mIoU of {" / ".join(told)}': (
            lambda e: cells.published(e, told)
        ),
        f'**measured** here, mIoU of {" / ".join(found)}': (
            lambda e: cells.measured(e, found)
        ),
        'training': cells.cost,
        'log': lambda e: cells.log(e, folder),
        'weights': lambda e: cells.weights(e, os.path.relpath(ZOO_PAGE, folder)),
    }
    rows = [[column(entry) for column in columns.values()] for entry in entries]
    kept = [i for i in range(len(columns)) if i < 5 or _tells(rows, i)]
    titles = [title for i, title in enumerate(columns) if i in kept]
    return table(titles, [[row[i] for i in kept] for row in rows])


def _tells(rows: Sequence[Sequence[str]], column: int) -> bool:
    return any(row[column] not in (cells.NONE, 'none') for row in rows)


def protocols_table(entries: Iterable[Entry]) -> str:
    """Every config of the zoo: what it learns from, how it is tested, its weights."""
    folder = str(Path(ZOO_PAGE).parent)
    rows = [
        [
            cells.config(entry, folder),
            entry['Metadata']['Training Data'],
            entry['Metadata']['Supervision'],
            entry['Metadata'].get('Pretraining', cells.NONE),
            entry['Metadata'].get('Protocol', cells.NONE),
            cells.weights(entry, ''),
        ]
        for entry in entries
    ]
    titles = (
        'config',
        'data',
        'supervision',
        'initial weights',
        '`tools/test.py` scores',
        'weights',
    )
    return table(titles, rows)


def shipped_table(entries: Iterable[Entry]) -> str:
    """The models whose weights lie in ``zoo/``.

    Raises:
        UserError: if an entry lacks something that publishing writes.
    """
    titles = ('model', 'data', 'classes', 'score:', 'size:', 'licence', 'trained from')
    return table(titles, [_shipped(entry) for entry in entries if 'Weights' in entry])


def _shipped(entry: Entry) -> list[str]:
    try:
        known, (result,) = entry['Metadata'], entry['Results']
        score = next(s for s in _SCORES if s in result['Metrics'])
        return [
            cells.config(entry, str(Path(ZOO_PAGE).parent)),
            result['Dataset'],
            ', '.join(known['Classes'][1:]),
            f'{score} {result["Metrics"][score]:.2f}',
            *(known[key] for key in ('Size', 'Licence', 'Initial Weights')),
        ]
    except (KeyError, StopIteration, ValueError) as error:
        raise _incomplete(entry, error) from None


def files_table(entries: Iterable[Entry]) -> str:
    """The same models, for the page in ``zoo/`` itself."""
    titles = ('file', 'sha256', 'licence', 'trained from', 'on')
    return table(titles, [_file(entry) for entry in entries if 'Weights' in entry])


def _file(entry: Entry) -> list[str]:
    name = Path(entry['Weights']).name
    keys = ('Licence', 'Initial Weights', 'Training Data')
    try:
        known = entry['Metadata']
        return [
            f'[{name}]({name})',
            f'`{known["SHA256"]}`',
            *(known[key] for key in keys),
        ]
    except KeyError as error:
        raise _incomplete(entry, error) from None


def _incomplete(entry: Entry, error: Exception) -> UserError:
    """The error for an entry that wasn't written by publish_model.py."""
    return UserError(
        f'the metafile entry {entry.get("Name")} has Weights, but not all that belongs '
        f'to them ({error!r}): publish it with tools/misc/publish_model.py'
    )


def backbones_table(backbones: Iterable[Backbone]) -> str:
    """Initial weights: their address, and what is known of their content."""
    titles = ('name', 'network', 'trained on', 'file', 'sha256 begins with', 'licence')
    rows = [
        [
            f'`{one.name}`',
            one.architecture,
            one.trained_on,
            f'[{one.file}]({one.url})'
            if one.url.startswith('http')
            else f'`{one.url}`',
            f'`{one.sha256}`' if one.sha256 else 'not known',
            one.licence or 'not stated here',
        ]
        for one in backbones
    ]
    return table(titles, rows)


def releases_table(entries: Iterable[Entry]) -> str:
    """The authors' weights: where they are, and what to expect of them."""
    folder = str(Path(ZOO_PAGE).parent)
    rows = []
    for entry in entries:
        release = entry.get('Release')
        if release is None:
            continue
        kinds = cells.kinds_of(cells.all_published([entry]))
        where = (
            f'[{release["Kind"]}]({release["Link"]})'
            if 'Link' in release
            else f'[their page]({release["Page"]}) links none'
        )
        scores = cells.published(entry, kinds)
        what = f'{" / ".join(kinds)}: {scores}' if kinds else 'not published'
        rows.append([cells.config(entry, folder), where, what])
    return table(('config', 'weights', 'expected mIoU'), rows)
