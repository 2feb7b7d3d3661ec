# Licensed under Apache-2.0.
"""Convert checkpoints of SemFormer's released code to mmwsss.

    python tools/model_converters/semformer.py caae.pth caae_deit-b-dist_voc.pth
    python tools/model_converters/semformer.py segmentor.pth semformer_deit-s_voc.pth

Auto-encoder and segmentor are told apart by their keys. Strict: every key must be of
that layout. The result is a plain file of tensors.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.methods.semformer.semformer_keys import convert_semformer


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='checkpoint of the released code')
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, convert_semformer)


if __name__ == '__main__':
    with plain_errors():
        main()
