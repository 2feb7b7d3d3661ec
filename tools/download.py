# Licensed under Apache-2.0.
"""Copy a model of the zoo: its config, in one file, and its weights.

``python tools/download.py NAME --dest DIR`` works in a clone and in an installed
package (``mmwsss/.mim/tools/download.py``), without a network. The sha256 of the
weights is compared with the metafile's before anything is written. ``--list`` shows the
names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.atomic_file import write_atomic
from mmwsss.io.errors import UserError
from mmwsss.io.metafiles import models, published, published_weights

#: what holds configs/ and zoo/: the clone, or .mim of the installed package
ROOT = Path(__file__).resolve().parents[1]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Copy a model of the zoo.')
    parser.add_argument('name', nargs='?', help='name of a model, as its config')
    parser.add_argument(
        '--dest', type=Path, default=Path('.'), metavar='DIR', help='where to (here)'
    )
    parser.add_argument('--list', action='store_true', help='show the names and end')
    args = parser.parse_args(argv)
    if not args.list and args.name is None:
        parser.error('give the NAME of a model, or --list')
    return args


def download(name: str, dest: Path) -> tuple[Path, Path]:
    """Copy config and weights to a folder; both whole, or neither.

    Args:
        name: of the model.
        dest: the folder, which is made.

    Returns:
        The config and the weights.

    Raises:
        UserError: if there is no such model, or it has no weights, or other ones.
    """
    there = published(ROOT)
    if name not in there:
        reason = 'has no weights' if name in models(ROOT) else 'is no model'
        raise UserError(f'{name} {reason}; these have: {", ".join(there) or "none"}')
    entry = there[name]
    content = published_weights(ROOT, entry)
    config = dest / f'{name}.py'
    text = Config.fromfile(ROOT / entry['Config']).pretty_text
    weights = dest / Path(entry['Weights']).name
    write_atomic(content, weights)
    write_atomic(text.encode(), config)
    return config, weights


def main(argv: list[str] | None = None) -> None:
    """List the names, or copy a model."""
    args = parse_args(argv)
    if args.list:
        print_log('\n'.join(published(ROOT)))
        return
    config, weights = download(args.name, args.dest)
    print_log(f'{config}\n{weights}\nTest: python tools/test.py {config} {weights}')


if __name__ == '__main__':
    with plain_errors():
        main()
