# Licensed under Apache-2.0.
"""Write from the metafiles what lists methods and models.

* ``model-index.yml``: the metafiles themselves; a method is in it, and in README, by
  having a ``configs/<method>/metafile.yml``;
* README's table of methods: the collections that have a paper, by ``Name``, ``Paper:
  {URL}``, ``README`` and ``Metadata: {Kind, Cited As}``, where ``Cited As`` ends with
  the year;
* the tables of ``docs/en/model_zoo.md`` and ``zoo/README.md``: the models that have
  ``Weights``, which ``tools/misc/publish_model.py`` writes.

``make fix`` runs this::

    python tools/misc/update_model_index.py [--check]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
METHODS = 'methods', '| method | kind | paper | configs |\n|---|---|---|---|\n'
MODELS = (
    'models',
    '| model | data | score | size | licence | trained from |\n'
    '|---|---|---:|---:|---|---|\n',
)
FILES = (
    'files',
    '| file | sha256 | licence | trained from | on |\n|---|---|---|---|---|\n',
)
#: the score of a table: the first of these that a model has
SCORES = ('seg_mIoU', 'mIoU', 'cam_mIoU', 'cls_mAP')


def metafiles() -> list[Path]:
    """The metafiles of all config folders, sorted."""
    return sorted((ROOT / 'configs').glob('[!_.]*/metafile.yml'))


def entries(kind: str) -> list[dict]:
    """All ``Collections`` or ``Models``, in the order of the metafiles."""
    return [
        entry
        for path in metafiles()
        for entry in yaml.safe_load(path.read_text(encoding='utf-8'))[kind]
    ]


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


def model_row(model: dict) -> str:
    """A model with weights, for the page on the zoo.

    Raises:
        SystemExit: its entry lacks something that publishing writes.
    """
    try:
        known = model['Metadata']
        config = os.path.relpath(model['Config'], 'docs/en')
        (result,) = model['Results']
        score = next(s for s in SCORES if s in result['Metrics'])
        cells = (
            f'[{model["Name"]}]({config})',
            result['Dataset'],
            f'{score} {result["Metrics"][score]:.2f}',
            known['Size'],
            known['Licence'],
            known['Initial Weights'],
        )
    except (KeyError, StopIteration, ValueError) as error:
        raise incomplete(model, error) from None
    return f'| {" | ".join(cells)} |\n'


def file_row(model: dict) -> str:
    """A model with weights, for the page in the zoo itself."""
    try:
        known = model['Metadata']
        cells = (
            f'[{Path(model["Weights"]).name}]({Path(model["Weights"]).name})',
            f'`{known["SHA256"]}`',
            *(known[key] for key in ('Licence', 'Initial Weights', 'Training Data')),
        )
    except KeyError as error:
        raise incomplete(model, error) from None
    return f'| {" | ".join(cells)} |\n'


def incomplete(model: dict, error: Exception) -> SystemExit:
    """The error for an entry that wasn't written by publish_model.py."""
    return SystemExit(
        f'the metafile entry {model.get("Name")} has Weights, but not all that belongs '
        f'to them ({error!r}): publish it with tools/misc/publish_model.py'
    )


def with_table(name: str, table: tuple[str, str], rows: list[str]) -> str:
    """A Markdown file with the table between its two marks written anew.

    Raises:
        SystemExit: the lines around the table are missing.
    """
    what, header = table
    begin = f'<!-- {what}: written by tools/misc/update_model_index.py -->\n'
    end = f'<!-- end of {what} -->\n'
    text = (ROOT / name).read_text(encoding='utf-8')
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f'{name} needs the lines {begin!r} and {end!r} for its table')
    return f'{before}{begin}{header}{"".join(rows)}{end}{after}'


def wanted() -> dict[str, str]:
    """File → what it has to hold."""
    methods = sorted(table_row(c) for c in entries('Collections') if 'Paper' in c)
    models = [model for model in entries('Models') if 'Weights' in model]
    return {
        'model-index.yml': model_index(),
        'README.md': with_table('README.md', METHODS, [row for _, row in methods]),
        'docs/en/model_zoo.md': with_table(
            'docs/en/model_zoo.md', MODELS, list(map(model_row, models))
        ),
        'zoo/README.md': with_table(
            'zoo/README.md', FILES, list(map(file_row, models))
        ),
    }


def write() -> None:
    """Write what is out of date."""
    for name, text in wanted().items():
        file = ROOT / name
        if file.read_text(encoding='utf-8') != text:
            file.write_text(text, encoding='utf-8')


def main(argv: list[str] | None = None) -> None:
    """Write the files, or with ``--check`` say which one is out of date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--check', action='store_true', help='change nothing')
    if not parser.parse_args(argv).check:
        write()
        return
    for name, text in wanted().items():
        if (ROOT / name).read_text(encoding='utf-8') != text:
            sys.exit(
                f'{name} does not follow the metafiles. Run: '
                'python tools/misc/update_model_index.py'
            )


if __name__ == '__main__':
    main()
