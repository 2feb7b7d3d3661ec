# Licensed under Apache-2.0.
"""Generate CAMs and pseudo masks from a trained network and image labels.

::

    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out DIR
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out DIR \\
        --refine crf --preset irn --unary labels --bkg-thr 0.25
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out DIR --save fused
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out SEEDS \\
        --refine seeds --bkg-thr 0.15 0.11 --save mask
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out DIR --save mask \\
        --refine rw --affinity IRN_CONFIG IRN_CHECKPOINT --bkg-thr 0.25
    python tools/generate_pseudo_labels.py CONFIG CHECKPOINT --out DIR --save mask \\
        --labeler "dict(type='SegmentVote', bkg_thr=0.5)" --segments SEGMENTS
    python tools/generate_pseudo_labels.py IRN_CONFIG IRN_CHECKPOINT --out DIR \\
        --save mask --refine rw --cams CAMS --bkg-thr 0.25 --preset semformer_pseudo

DIR gets mask/NAME.png, cam/, fused/ and prob/NAME.npz, and manifest.json, as
docs/en/pseudo_labels.md describes them. Pixel masks of the data set are never read; its
image labels choose the classes unless --cam-filter says otherwise. Run it again to
resume; a DIR made with other settings or weights is refused. On several GPUs or CPU
processes: tools/dist_generate.sh CONFIG CHECKPOINT GPUS --out DIR ...
"""

from __future__ import annotations

import argparse

from mmwsss.cli.arguments import add_common_arguments, parse, plain_errors, read_config
from mmwsss.cli.processes import log_once
from mmwsss.io.score_files import DTYPES
from mmwsss.models.prediction.inference_cfg import FILTERS
from mmwsss.ops import DENSE_CRF_PRESETS
from mmwsss.pipeline.generate.generate_cfg import SAVED, SOURCES, GenerateCfg
from mmwsss.pipeline.generate.generate_labels import RunOptions, generate_labels
from mmwsss.pipeline.generate.split_images import declare_side_input
from mmwsss.pipeline.generate.walked_maps import Affinity
from mmwsss.pipeline.label_options import (
    read_labeler,
    read_segments_entry,
    refine_names,
    without_side_inputs,
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of the network')
    parser.add_argument('checkpoint', help='its weights, file or URL')
    parser.add_argument('--out', required=True, metavar='DIR', help='where to write')
    parser.add_argument(
        '--refine',
        choices=refine_names(),
        help='how a mask comes from the CAM: own: by the labeler of the network, as '
        'in training; none: threshold only; par: the label of the network where it '
        'has two thresholds and a refiner, else PAR; crf: dense CRF; seeds of an '
        'affinity network; rw: random walk; or another registered refiner. Default: '
        'own where the network has a labeler and no background is given, else none',
    )
    parser.add_argument(
        '--labeler',
        metavar='CFG',
        help='how a mask comes from the CAM, in full: "dict(type=...)" of a registered '
        'labeler, its name, or a .py file with labeler=...; default: labeler of the '
        'config where it has one. Takes the place of --refine, --bkg-thr, --alpha, '
        '--preset, --unary and --num-classes',
    )
    parser.add_argument(
        '--segments',
        metavar='DIR',
        help='segments that the labeler votes over, one file an image, as '
        'side_inputs.segments of the training data; or "dict(dir=..., overlap=...)" '
        'with settings of how they are read',
    )
    parser.add_argument(
        '--split', help="of the data set; default: the config's training images"
    )
    parser.add_argument(
        '--save',
        type=lambda text: tuple(text.split(',')),
        default=('cam', 'mask'),
        metavar='WHAT',
        help=f'some of {",".join(SAVED)}, with commas; default '
        'cam,mask. fused: CAMs at full size, which self-training reads as '
        'side_inputs.fused.dir',
    )
    parser.add_argument(
        '--source',
        choices=SOURCES,
        default='cam',
        help="seg: masks from the decoder's probabilities",
    )
    parser.add_argument(
        '--bkg-thr',
        type=float,
        nargs='+',
        default=(),
        metavar='T',
        help='background '
        'of the CAM: a constant, or a low and a high one with 255 between them; of '
        "seeds the background's, then the foreground's. Default: bkg_thr of the "
        "config's evaluator; for the network's own label those of its labeler",
    )
    parser.add_argument(
        '--alpha', type=float, help='background (1 - max CAM)^ALPHA instead'
    )
    parser.add_argument(
        '--preset', choices=sorted(DENSE_CRF_PRESETS), help='settings of the CRF'
    )
    parser.add_argument(
        '--unary',
        choices=('prob', 'labels'),
        help='of the CRF: the maps, or only the '
        'strongest class of a pixel with confidence 0.7',
    )
    parser.add_argument(
        '--num-classes',
        type=int,
        metavar='N',
        help='labels that the CRF on hard '
        'labels counts, background included, as SMAF is published (VOC: 21); default: '
        "those of the image, as IRNet's and SemFormer's",
    )
    parser.add_argument(
        '--cam-filter',
        choices=FILTERS,
        default='gt',
        help='which classes an image '
        'may have: those of its image label (default), those that the network '
        'predicts (photos without labels), all; those that it predicts, else those of '
        'its decoder, or the reverse',
    )
    parser.add_argument(
        '--stride',
        type=int,
        help='of saved maps, in pixels; default 1 for fused, 4 for the others',
    )
    parser.add_argument(
        '--dtype', choices=DTYPES, default='float16', help='of saved maps'
    )
    parser.add_argument(
        '--affinity',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='for --refine rw: the affinity network',
    )
    parser.add_argument(
        '--cams',
        metavar='DIR',
        help='for --refine rw: CAMs that are there; config '
        'and checkpoint are then those of the affinity network',
    )
    parser.add_argument(
        '--batch-size',
        type=int,
        help='images of one size at once; default 8 on a GPU, else 1',
    )
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that refine on a CPU, threads that '
        'write on a GPU, for each process; default: the cores, or 2 on a GPU',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='delete what an earlier run wrote'
    )
    add_common_arguments(parser)
    return parse(parser, argv)


def settings_of(args: argparse.Namespace) -> GenerateCfg:
    """What to generate, as the command line says."""
    return GenerateCfg(
        refine=args.refine,
        save=args.save,
        source=args.source,
        split=args.split,
        bkg_thr=tuple(args.bkg_thr),
        alpha=args.alpha,
        preset=args.preset,
        unary=args.unary,
        cam_filter=args.cam_filter,
        stride=args.stride,
        dtype=args.dtype,
        num_classes=args.num_classes,
        labeler=args.labeler and read_labeler(args.labeler),
    )


def main(argv: list[str] | None = None) -> int:
    """Generate as the command line says; gives the exit code."""
    args = parse_args(argv)
    affinity = None
    if args.affinity or args.cams:
        config, checkpoint = args.affinity or (None, None)
        affinity = Affinity(config, checkpoint, args.cams)
    run = RunOptions(
        args.launcher,
        args.batch_size,
        args.workers,
        None,
        args.overwrite,
        args.allow_pickle,
    )
    cfg, settings = read_config(args), settings_of(args)
    if args.segments:
        if settings.labeler or settings.bkg_thr or settings.alpha is not None:
            without_side_inputs(settings.built_labeler, '', ('segments',))
        declare_side_input(cfg, 'segments', read_segments_entry(args.segments))
    report = generate_labels(cfg, args.checkpoint, args.out, settings, run, affinity)
    sizes = ', '.join(
        f'{kind} {size} bytes' for kind, size in report.bytes_per_image.items()
    )
    made = report.images - report.skipped - len(report.failed)
    log_once(
        f'{made} images in {report.seconds:.0f} s, '
        f'{report.skipped} were there; in {report.out}: {sizes} an image'
    )
    if report.failed:
        listed = '\n'.join(report.failed.values())
        log_once(f'{len(report.failed)} of {report.images} left out:\n{listed}')
    return 1 if report.failed else 0


if __name__ == '__main__':
    with plain_errors(ValueError, RuntimeError):
        raise SystemExit(main())
