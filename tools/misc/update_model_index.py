# Licensed under Apache-2.0.
"""Write model-index.yml and README's table of methods from the metafiles.

A method is in both by having a ``configs/<method>/metafile.yml``; ``make fix`` runs
this. The table takes the collections that have a paper: ``Name``, ``Paper: {URL}``,
``README`` and ``Metadata: {Kind, Cited As}``, where ``Cited As`` ends with the year::

    python tools/misc/update_model_index.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BEGIN = '<!-- methods: written by tools/misc/update_model_index.py -->\n'
END = '<!-- end of methods -->\n'
HEADER = '| method | kind | paper | configs |\n|---|---|---|---|\n'


def metafiles() -> list[Path]:
    """The metafiles of all config folders, sorted."""
    return sorted((ROOT / 'configs').glob('[!_.]*/metafile.yml'))


def model_index() -> str:
    """What model-index.yml has to hold."""
    lines = [f'  - {path.relative_to(ROOT).as_posix()}' for path in metafiles()]
    return '\n'.join(['Import:', *lines]) + '\n'


def table_row(collection: dict) -> tuple[str, str]:
    """(sort key: year and name, row) of a collection.

    Raises:
        SystemExit: a collection with a paper lacks a key of the table.
    """
    try:
        name, readme = collection['Name'], collection['README']
        kind, cited = (collection['Metadata'][key] for key in ('Kind', 'Cited As'))
        paper = f'[{cited}]({collection["Paper"]["URL"]})'
    except KeyError as error:
        raise SystemExit(
            f'the metafile of {collection.get("Name")} has no {error}: a collection '
            'with a Paper needs Name, README, Paper: {URL}, Metadata: {Kind, Cited As}'
        ) from None
    folder = Path(readme).parent.name
    row = f'| {name} | {kind} | {paper} | [{folder}]({readme}) |\n'
    return f'{cited[-4:]} {name}', row


def readme() -> str:
    """What README.md has to hold: the methods, in the order of their years.

    Raises:
        SystemExit: the lines around the table are missing.
    """
    found = [
        table_row(collection)
        for path in metafiles()
        for collection in yaml.safe_load(path.read_text(encoding='utf-8'))[
            'Collections'
        ]
        if 'Paper' in collection
    ]
    rows = ''.join(row for _, row in sorted(found))
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(
            f'README.md needs the lines {BEGIN!r} and {END!r} for its table'
        )
    return f'{before}{BEGIN}{HEADER}{rows}{END}{after}'


def main(argv: list[str] | None = None) -> None:
    """Write both files, or with ``--check`` say which one is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--check', action='store_true', help='change nothing')
    args = parser.parse_args(argv)
    wanted = {'model-index.yml': model_index(), 'README.md': readme()}
    for name, text in wanted.items():
        file = ROOT / name
        if file.read_text(encoding='utf-8') == text:
            continue
        if args.check:
            sys.exit(
                f'{name} does not follow the metafiles. Run: '
                'python tools/misc/update_model_index.py'
            )
        file.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
