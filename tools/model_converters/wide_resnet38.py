# Licensed under Apache-2.0.
"""Convert the public Wide-ResNet-38 weights, or an EPS checkpoint, to mmwsss.

    python tools/model_converters/wide_resnet38.py \
        ilsvrc-cls_rna-a1_cls1000_ep-0001.params wide-resnet38_imagenet.pth
    python tools/model_converters/wide_resnet38.py eps.pth eps_wr38_voc.pth --eps

The source is MXNet's parameter file (read without MXNet) or a .pth of the layout that
PSA, EPS and others share. Training configs don't need it: `pretrained=` of the backbone
reads these files. With `--eps` the classifier is kept, and the result is a checkpoint
of the whole model.
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import plain_errors
from mmwsss.io.convert_file import convert_file, write_state
from mmwsss.models.converters.wide_resnet_keys import convert_eps, load_wide_resnet


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='MXNet .params, or .pth of the public layout')
    parser.add_argument('target', help='where to write ours')
    parser.add_argument(
        '--eps', action='store_true', help='the source is a whole EPS classifier'
    )
    args = parser.parse_args(argv)
    if args.eps:
        convert_file(args.source, args.target, convert_eps)
    else:
        write_state(load_wide_resnet(args.source), args.source, args.target)


if __name__ == '__main__':
    with plain_errors():
        main()
