# Licensed under Apache-2.0.
"""Write from the metafiles what lists methods and models.

* ``model-index.yml``: the metafiles themselves; a method is in it, and in README, by
  having a ``configs/<method>/metafile.yml``;
* README's table of methods: the collections that have a paper;
* the table of configs in each ``configs/<method>/README.md``;
* the tables of ``docs/en/model_zoo.md`` and ``zoo/README.md``: models with weights,
  initial weights (``zoo/backbones.yml``), the authors' weights, every config.

A table stands between ``<!-- NAME: written by ... -->`` and ``<!-- end of NAME -->``.
``make fix`` runs this, after ``update_metafiles.py``::

    python tools/misc/update_model_index.py [--check]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmwsss.cli.arguments import plain_errors
from mmwsss.io import zoo_tables as tables
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import metafiles, models, read_metafile

ROOT = Path(__file__).resolve().parents[2]


def model_index() -> str:
    """What model-index.yml has to hold."""
    lines = [f'  - {path.relative_to(ROOT).as_posix()}' for path in metafiles(ROOT)]
    return '\n'.join(['Import:', *lines]) + '\n'


def tables_of_pages() -> dict[str, dict[str, str]]:
    """Page → name of a table in it → the table."""
    entries = list(models(ROOT).values())
    bare = [one['Name'] for one in entries if 'Supervision' not in one['Metadata']]
    if bare:
        raise UserError(
            f'the metafile entries {", ".join(bare)} do not say yet what their configs '
            'are. Run: python tools/misc/update_metafiles.py'
        )
    found = [read_metafile(path) for path in metafiles(ROOT)]
    collections = [one for metafile in found for one in metafile['Collections']]
    pages = {
        'README.md': dict(methods=tables.methods_table(collections)),
        tables.ZOO_PAGE: dict(
            models=tables.shipped_table(entries),
            backbones=tables.backbones_table(backbones(ROOT).values()),
            releases=tables.releases_table(entries),
            configs=tables.protocols_table(entries),
        ),
        'zoo/README.md': dict(files=tables.files_table(entries)),
    }
    for path, metafile in zip(metafiles(ROOT), found):
        folder = path.parent.relative_to(ROOT).as_posix()
        table = tables.configs_table(metafile['Models'], folder)
        pages[f'{folder}/README.md'] = dict(configs=table)
    return pages


def with_tables(name: str, found: dict[str, str]) -> str:
    """A page with the tables between their two marks written anew.

    Raises:
        UserError: if the lines around a table are missing.
    """
    text = (ROOT / name).read_text(encoding='utf-8')
    for what, table in found.items():
        begin = f'<!-- {what}: written by tools/misc/update_model_index.py -->\n'
        end = f'<!-- end of {what} -->\n'
        before, there, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not there or not closed:
            raise UserError(f'{name} needs the lines {begin!r} and {end!r}')
        text = f'{before}{begin}{table}{end}{after}'
    return text


def wanted() -> dict[str, str]:
    """Path → what it has to hold."""
    pages = {name: with_tables(name, t) for name, t in tables_of_pages().items()}
    return {'model-index.yml': model_index(), **pages}


def write() -> None:
    """Write what is out of date."""
    for name, text in wanted().items():
        if (ROOT / name).read_text(encoding='utf-8') != text:
            write_atomic(text.encode(), ROOT / name)


def main(argv: list[str] | None = None) -> None:
    """Write the files, or with ``--check`` say which one is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--check', action='store_true', help='change nothing')
    if not parser.parse_args(argv).check:
        write()
        return
    for name, text in wanted().items():
        if (ROOT / name).read_text(encoding='utf-8') != text:
            raise UserError(
                f'{name} does not follow the metafiles. Run: '
                'python tools/misc/update_model_index.py'
            )


if __name__ == '__main__':
    with plain_errors():
        main()
