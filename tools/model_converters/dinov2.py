# Licensed under Apache-2.0.
"""Convert a public DINOv2 (ViT) to mmwsss.

    python tools/model_converters/dinov2.py dinov2_vits14_pretrain.pth \
        pretrained/dinov2_vits14.pth

The public files (Apache-2.0), with or without registers, can also be named in
`pretrained` as they are. The result is a plain file of tensors without what only
pre-training reads.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.models.converters.dinov2_keys import unwrap_dinov2


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('source', help='the public file')
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, unwrap_dinov2)


if __name__ == '__main__':
    with plain_errors():
        main()
