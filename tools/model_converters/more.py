# Licensed under Apache-2.0.
"""Convert the authors' MoRe checkpoints to mmwsss.

    python tools/model_converters/more.py more_voc.pth more_vit-b_voc.pth

Strict: every key must be of the released layout, every key of ours must be filled
(the test loads the result strictly). The result is a plain file of tensors.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.methods.more.more_keys import convert_more


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help="the authors' checkpoint")
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, convert_more)


if __name__ == '__main__':
    with plain_errors():
        main()
