# Licensed under Apache-2.0.
"""Fetch by name what the model zoo has: a model, initial weights, an authors' release.

``python tools/download.py NAME`` gives

* of a model that was trained here its config, in one file, and its weights, from the
  clone or the installed package (``mmwsss/.mim/tools/download.py``), without a network;
* initial weights, by their public address, into the folder where configs look for them;
* of a model whose authors have released weights the line that says where they are.
  ``--from FILE`` converts the file once you have it, compares it key by key with our
  network and says which score to expect.

Every file is compared with its sha256 before it gets its name; a transfer that broke
off goes on. ``--mirror`` names another place of the same files: an address, ``file://``
or a folder. ``--list`` shows all names.
"""

from __future__ import annotations

import argparse
from difflib import get_close_matches
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.errors import UserError
from mmwsss.io.initial_weights import backbones
from mmwsss.io.metafiles import models
from mmwsss.pipeline.zoo_files import fetch_backbone, fetch_model

#: what holds configs/ and zoo/: the clone, or .mim of the installed package
ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Fetch by name what the model zoo has.',
        epilog='How, and what there is: docs/en/model_zoo.md',
    )
    parser.add_argument('name', nargs='?', help='of a config, or of initial weights')
    parser.add_argument(
        '--dest',
        type=Path,
        metavar='DIR',
        help='where to; default: here, initial weights where configs look for them',
    )
    parser.add_argument(
        '--mirror',
        metavar='PLACE',
        help='an address, file:// or folder that holds the file under its own name',
    )
    parser.add_argument(
        '--from',
        dest='sources',
        nargs='+',
        metavar='FILE',
        help="the authors' checkpoint, to convert (FSR: student.pth teacher.pth)",
    )
    parser.add_argument('--list', action='store_true', help='show the names and end')
    args = parser.parse_args(argv)
    if not args.list and args.name is None:
        parser.error('give a NAME, or --list')
    if args.sources and args.mirror:
        parser.error('--from names the file itself: leave --mirror out')
    return args


def listing() -> str:
    """All names, each with what there is of it."""
    known = models(ROOT)
    rows = {name: _what(entry) for name, entry in known.items()}
    for name, one in backbones(ROOT).items():
        rows[name] = f'initial weights: {one.architecture}, {one.trained_on}'
    # what can be fetched stands first
    rows = dict(sorted(rows.items(), key=lambda row: row[1].startswith('no ')))
    width = max(map(len, rows))
    return '\n'.join(f'{name:{width}}  {what}' for name, what in rows.items())


def _what(entry: dict) -> str:
    """What there is of a model."""
    if 'Weights' in entry:
        known = entry['Metadata']
        return f'weights, {known["Size"]}: {", ".join(known["Classes"][1:])}'
    release = entry.get('Release')
    if release is None:
        return 'no weights, a config to train'
    if 'Link' in release:
        return f"the authors' weights, to convert: {release['Kind']}"
    return "no weights; a checkpoint of the authors' code converts with --from"


def download(args: argparse.Namespace) -> str:
    """Fetch or convert what was asked for; what to say of it.

    Raises:
        UserError: if there is no such thing, or none to fetch; the line says why.
    """
    name, entries, initial = args.name, models(ROOT), backbones(ROOT)
    if args.sources:
        return _converted(args)
    if name in initial:
        path = fetch_backbone(initial[name], args.dest, args.mirror)
        return f'{path}\nInitial weights of {initial[name].architecture}'
    entry = entries.get(name)
    if entry is None:
        near = get_close_matches(name, [*entries, *initial], 3, 0.5)
        raise UserError(
            f'{name} is no model and no initial weights'
            + (f'; like it are {", ".join(near)}' if near else '')
            + '. All names: python tools/download.py --list'
        )
    if 'Weights' in entry:
        dest = args.dest or Path('.')
        config, weights = fetch_model(ROOT, entry, dest, args.mirror)
        return (
            f'{config}\n{weights}\nTest: python tools/test.py {config} {weights}\n'
            f'Photos: python demo/image_demo.py PHOTOS {config} {weights} --out-dir out'
        )
    if 'Release' in entry:
        from mmwsss.pipeline.authors_release import how_to_get

        raise UserError(how_to_get(entry))
    raise UserError(
        f'{name} has no weights, neither here nor of its authors; train it: python '
        f'tools/{_trainer(entry)} {entry["Config"]}'
    )


def _trainer(entry: dict) -> str:
    """The tool that trains a config."""
    one = 'Iterations' in entry['Metadata']
    return 'train.py' if one else 'run_pipeline.py'


def _converted(args: argparse.Namespace) -> str:
    """Convert an authors' checkpoint; what to say of it."""
    from mmwsss.pipeline.authors_release import convert_release, expected

    entry = models(ROOT).get(args.name, {})
    if 'Release' not in entry:
        having = ', '.join(n for n, e in models(ROOT).items() if 'Release' in e)
        raise UserError(f'--from is for {having}; got {args.name}')
    dest = args.dest or Path('.')
    config, weights, count = convert_release(ROOT, entry, args.sources, dest)
    return (
        f'{config}\n{weights}: all {count} tensors of the network are there, key by '
        f'key\nTest: python tools/test.py {config} {weights}\n'
        f'  scores: {entry["Metadata"]["Protocol"]}\n  {expected(entry)}'
    )


def main(argv: list[str] | None = None) -> None:
    """List the names, or fetch one."""
    args = parse_args(argv)
    print_log(listing() if args.list else download(args))


if __name__ == '__main__':
    with plain_errors():
        main()
