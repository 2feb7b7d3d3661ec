# Licensed under Apache-2.0.
"""Convert timm's and DeiT's ImageNet ViT weights to mmpretrain's keys.

    python tools/model_converters/timm_vit.py jx_vit_base_p16_224-80ecf9dd.pth vit-b.pth

Training configs don't need it: `pretrained=` of the backbone reads the original file.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file
from mmwsss.models.converters.vit_keys import unwrap_vit


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='timm, DeiT or mmpretrain file')
    parser.add_argument('target', help='where to write ours')
    args = parser.parse_args(argv)
    convert_file(args.source, args.target, unwrap_vit)


if __name__ == '__main__':
    with plain_errors():
        main()
