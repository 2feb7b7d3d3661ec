# Licensed under Apache-2.0.
"""Write a network as a file that runs without mmwsss: ONNX, or torch.export.

::

    python tools/deploy/export.py CONFIG CHECKPOINT --out model.onnx --shape 320 320

The suffix says which: ``.onnx`` (any runtime; demo/onnx_example.py runs it with numpy
and onnxruntime) or ``.pt2`` (``torch.export.load``). The file takes any number of
images of one size, and gives probabilities of the pixels, probabilities of the classes
of an image, and CAMs, as far as the network has them. Before it gets its name it is
run on two photos and held against the network: a difference above 1e-4 is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.logging import print_log
from torch import nn

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.io.errors import UserError
from mmwsss.io.output_folder import claim_outputs
from mmwsss.models.segmentors.wrapped_segmentor import unwrap
from mmwsss.pipeline.deploy.deployable import left_out
from mmwsss.pipeline.deploy.export_network import (
    ExportCfg,
    check_suffix,
    export_network,
)
from mmwsss.pipeline.inference import class_names, init_model


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FILE', help='.onnx or .pt2'
    )
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='of the images in pixels; default: test_cfg.input.squash, where it is set',
    )
    parser.add_argument(
        '--dynamic-size',
        action='store_true',
        help='leave the size open; tried at two others, and refused where it fails',
    )
    parser.add_argument(
        '--test-views',
        action='store_true',
        help='predict from the scales and mirrors of test_cfg; default: from the image '
        'alone, which is faster',
    )
    parser.add_argument(
        '--photos',
        type=Path,
        metavar='DIR',
        help='photos for the check; default: two of scikit-image',
    )
    add_cfg_options(parser)
    return parser.parse_args(argv)


def shape_of(given: list[int] | None, model: nn.Module) -> tuple[int, int]:
    """(H, W) of the images.

    Raises:
        UserError: if neither the command line nor the config says it.
    """
    entry = (unwrap(model).test_cfg or {}).get('input') or {}
    found = given or entry.get('squash')
    if not found:
        raise UserError(
            'give --shape HEIGHT WIDTH: the size to which photos are brought, such as '
            'that of the crops in training or twice that'
        )
    return int(found[0]), int(found[1])


def main(argv: list[str] | None = None) -> None:
    """Export, and say how far file and network differ."""
    args = parse_args(argv)
    check_suffix(args.out)
    read = [args.config, args.checkpoint, args.photos]
    written = [(args.out.name, args.checkpoint)]
    claim_outputs(args.out.parent, written, [p for p in read if p], '--out')
    model = init_model(merged_config(args), args.checkpoint)
    class_names(model)  # refused before the work
    size = shape_of(args.shape, model)
    for text in left_out(model, size, args.test_views):
        print_log(f'not in the file: {text}')
    cfg = ExportCfg(size, args.dynamic_size, args.test_views, args.photos)
    found = export_network(
        model,
        args.out,
        cfg,
        config=Path(args.config).stem,
        checkpoint=Path(args.checkpoint).name,
    )
    differences = ', '.join(f'{name} {value:.1e}' for name, value in found.items())
    print_log(
        f'{args.out} ({args.out.stat().st_size / 1e6:.1f} MB), images of {size[0]} x '
        f'{size[1]}; largest difference from PyTorch: {differences}'
    )


if __name__ == '__main__':
    with plain_errors():
        main()
