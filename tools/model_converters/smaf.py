# Licensed under Apache-2.0.
"""Convert checkpoints of SMAF's released code to mmwsss.

    python tools/model_converters/smaf.py smaf.pth smaf_eps_wr38_voc.pth

Their classifier stands behind a projection of 128 channels: set
`model.segmentor.cam_head.type=ProjectedCAMHead`. Strict: every key must be of that
layout. Nobody published such files; this is for those who trained with that code. The
result is a plain file of tensors.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.methods.smaf.smaf_keys import convert_smaf


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='checkpoint of the released code')
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, convert_smaf)


if __name__ == '__main__':
    with plain_errors():
        main()
