# Licensed under Apache-2.0.
"""Convert the authors' WeCLIP or WeCLIP+ checkpoints to mmwsss.

    python tools/model_converters/weclip.py weclip_voc.pth weclip_vit-b_voc.pth

What is trained is kept, the frozen encoders are not: they stand in a file of their own
(tools/model_converters/clip.py and dinov2.py). Strict: every key must be of the
released layout. The result is a plain file of tensors.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.methods.weclip.weclip_keys import convert_weclip


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help="the authors' checkpoint")
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, convert_weclip)


if __name__ == '__main__':
    with plain_errors():
        main()
