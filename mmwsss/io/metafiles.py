# Licensed under Apache-2.0.
"""The models that metafiles list, and their weights in the folder ``zoo``.

A clone, like ``.mim`` of an installed package, has ``configs/*/metafile.yml`` and
``zoo/<name>-<8 hex digits>.pth``. An entry has

* ``Name``, ``In Collection``, ``Config``, and a ``Note`` for tables;
* ``Metadata``: what the config is (see :mod:`mmwsss.pipeline.config_facts`), and of an
  entry with ``Weights: zoo/FILE`` what publishing found (``SHA256`` among it);
* ``Published``: what the authors report, each with ``Split``, ``How``, ``Metrics``,
  ``Source``, ``Log``, ``Cost``;
* ``Release``: the authors' weights, see :mod:`mmwsss.pipeline.authors_release`;
* ``Benchmark`` and ``Measured``: where our figures are, and those, see
  :mod:`mmwsss.pipeline.measured`;
* ``Results``: the scores of the very file of ``Weights``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .atomic_file import write_atomic
from .errors import UserError

ZOO = 'zoo'


def metafiles(root: Path) -> list[Path]:
    """The metafiles of all config folders below ``root``, sorted."""
    return sorted((root / 'configs').glob('[!_.]*/metafile.yml'))


def read_metafile(path: Path) -> dict[str, Any]:
    """A metafile: ``Collections`` and ``Models``."""
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def models(root: Path) -> dict[str, dict[str, Any]]:
    """All entries of ``Models`` by name, in the order of the metafiles."""
    return {
        entry['Name']: entry
        for path in metafiles(root)
        for entry in read_metafile(path)['Models']
    }


def published(root: Path) -> dict[str, dict[str, Any]]:
    """The entries that have weights."""
    return {name: entry for name, entry in models(root).items() if 'Weights' in entry}


def published_weights(root: Path, entry: Mapping[str, Any]) -> bytes:
    """The content of an entry's file of weights, whose sha256 is the metafile's.

    Raises:
        FileNotFoundError: if the file isn't in the zoo.
        UserError: if it is another one, or damaged.
    """
    path = root / entry['Weights']
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is not there: the metafile of {entry["Name"]} names it. Take the '
            f'whole clone or wheel, folder {ZOO}/ included'
        )
    content = path.read_bytes()
    found, wanted = hashlib.sha256(content).hexdigest(), entry['Metadata']['SHA256']
    if found != wanted:
        raise UserError(
            f'{path} has the sha256 {found}, its metafile says {wanted}: it is damaged '
            'or another file. Restore it from the repository, or install the wheel '
            'again'
        )
    return content


def replace_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Write one entry of ``Models`` anew; the rest of the metafile stays as it is.

    Args:
        path: the metafile, whose entries begin with ``- Name:``, two blanks indented.
        entry: what takes the place of the one of that name.

    Raises:
        UserError: if there is no entry of that name, or several.
    """
    lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
    first = f'  - Name: {entry["Name"]}'
    begins = [i for i, line in enumerate(lines) if line.rstrip() == first]
    if len(begins) != 1:
        raise UserError(
            f'{path} has {len(begins)} lines {first!r}: an entry of Models begins so, '
            'once'
        )
    begin = begins[0]
    end = next(
        (i for i in range(begin + 1, len(lines)) if not lines[i].startswith('   ')),
        len(lines),
    )
    text = yaml.dump(
        dict(entry), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=80
    )
    block = [f'    {line}' for line in text.splitlines(keepends=True)]
    block[0] = f'  - {block[0][4:]}'
    write_atomic(''.join([*lines[:begin], *block, *lines[end:]]).encode(), path)


class _Dumper(yaml.SafeDumper):
    """Lists are indented, as in the metafiles."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Called by yaml."""
        super().increase_indent(flow, False)
