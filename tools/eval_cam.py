# Licensed under Apache-2.0.
"""Score CAMs at every background threshold, or masks, against pixel labels.

::

    python tools/eval_cam.py DIR --config CONFIG --split train --erode
    python tools/eval_cam.py DIR --ann-dir SegmentationClass --list train.txt \\
        --thresholds 0.1:0.4:0.01 --out metrics.json
    python tools/eval_cam.py DIR --kind mask --config CONFIG --split train
    python tools/eval_cam.py DIR --config CONFIG --split train --crf irn \\
        --thresholds 0.2,0.25,0.3

DIR is a folder of tools/generate_pseudo_labels.py or one of CAM files (NAME.npz,
NAME.npy) or masks (NAME.png). The threshold of the best row is chosen on the truth:
it is an upper bound of what the CAM can give.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from mmwsss.cli.arguments import add_picture, plain_errors
from mmwsss.datasets.readers.reading import read_names
from mmwsss.io.atomic_file import write_json
from mmwsss.io.image_files import image_stem
from mmwsss.io.inputs_read import folders_of
from mmwsss.io.output_folder import claim_file
from mmwsss.io.pictures.picture_rule import PictureRule
from mmwsss.ops import DENSE_CRF_PRESETS
from mmwsss.pipeline.evaluate.eval_tasks import (
    classes_of,
    eval_tasks,
    folder_infos,
    maps_in,
    names_in,
    split_infos,
)
from mmwsss.pipeline.evaluate.evaluate_maps import (
    EvalCfg,
    evaluate_maps,
    parse_thresholds,
)
from mmwsss.pipeline.evaluate.score_report import metrics_of, remarks_of, tables_of
from mmwsss.pipeline.evaluate.truth_check import check_truth
from mmwsss.pipeline.label_options import read_labeler

#: keys of the report that ``--out`` holds
REPORT = ('images', 'classes', 'sweep')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('maps', metavar='DIR', help='folder of CAMs or masks')
    parser.add_argument(
        '--kind',
        choices=('cam', 'mask'),
        help='what to score; default: CAMs where there are any',
    )
    truth = parser.add_mutually_exclusive_group(required=True)
    truth.add_argument('--ann-dir', metavar='DIR', help='folder of pixel labels')
    truth.add_argument('--config', help='config of whose data set they are')
    parser.add_argument(
        '--split', help='of the data set of --config; default: its training images'
    )
    parser.add_argument(
        '--list',
        metavar='FILE',
        help='names to score, first word of each line; '
        'default: with --ann-dir all of DIR',
    )
    parser.add_argument(
        '--img-dir', metavar='DIR', help='pictures for --crf with --ann-dir'
    )
    parser.add_argument(
        '--num-classes',
        type=int,
        help='background included; default: those of the '
        'config or of the manifest of DIR',
    )
    parser.add_argument(
        '--thresholds',
        default='0:1:0.01',
        metavar='LOW:HIGH:STEP',
        help='both ends included, or numbers with commas; default 0:1:0.01',
    )
    parser.add_argument(
        '--erode',
        action='store_true',
        help='score CAM labels eroded by 7x7 pixels '
        'too, as IRNet and SemFormer publish them',
    )
    parser.add_argument(
        '--crf',
        nargs='?',
        const='irn',
        choices=sorted(DENSE_CRF_PRESETS),
        help='refine the CAM at each threshold (slow: name few); default preset irn',
    )
    parser.add_argument(
        '--unary', choices=('labels', 'prob'), default='labels', help='of the CRF'
    )
    parser.add_argument(
        '--all-labels',
        action='store_true',
        help='the CRF counts all classes as '
        'labels, as SMAF is published; default: those of the image',
    )
    parser.add_argument(
        '--labeler',
        metavar='CFG',
        help='score the labels of a labeler with a bkg_thr at each threshold (slow: '
        'name few): "dict(type=...)", its name, or a .py file with labeler=...',
    )
    parser.add_argument(
        '--boundary',
        action='store_true',
        help='score the contours of masks too: BF, the boundary F-score',
    )
    parser.add_argument('--out', metavar='FILE', help='write all figures as JSON')
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='processes'
    )
    add_picture(parser)
    return parser.parse_args(argv)


def find_truth(
    args: argparse.Namespace, folder: Path, kind: str
) -> tuple[list[dict], Sequence[str]]:
    """Images with the places of their pixel labels, and the class names."""
    listed = args.list and [image_stem(name) for name in read_names(args.list)]
    if args.config:
        infos, meta = split_infos(args.config, args.split)
        if listed:
            infos = [info for info in infos if info['img_id'] in set(listed)]
        return infos, meta['classes']
    classes = classes_of(folder)
    if args.num_classes:
        classes = tuple(map(str, range(args.num_classes)))
    if classes is None:
        raise ValueError(
            f'{folder} has no manifest that names classes: give '
            '--num-classes, background included'
        )
    if (args.crf or args.labeler) and not args.img_dir:
        option = '--crf' if args.crf else '--labeler'
        raise ValueError(f'{option} needs the pictures: give --img-dir, or --config')
    infos = folder_infos(
        args.ann_dir,
        listed or names_in(folder, kind),
        len(classes),
        args.img_dir,
        PictureRule.of(args.picture),
    )
    check_truth(infos, classes, folder, kind)  # that of a config is checked as it opens
    return infos, classes


def scored_what(folder: Path, kind: str, args: argparse.Namespace) -> str:
    """What the figures are of, where a folder holds more than one thing."""
    if kind == 'mask':
        return f'scored: the masks of {folder}, as they are'
    made = f'the CAMs of {folder} at their best threshold, chosen on the truth'
    masks = folder.parent / 'mask'
    if args.kind is None and folder.name in ('cam', 'fused') and masks.is_dir():
        made += f'; not the masks of {masks}, which --kind mask scores'
    return f'scored: {made}'


def main(argv: list[str] | None = None) -> dict:
    """Score as the command line says; gives what ``--out`` holds."""
    args = parse_args(argv)
    folder, kind = maps_in(args.maps, args.kind)
    infos, classes = find_truth(args, folder, kind)
    if args.out:
        read = [folder, *folders_of(infos), *filter(None, (args.list, args.config))]
        claim_file(args.out, read, keys=REPORT)
    cfg = EvalCfg(
        len(classes),
        kind,
        parse_thresholds(args.thresholds),
        args.erode,
        args.crf,
        args.unary,
        args.all_labels,
        args.labeler and read_labeler(args.labeler),
        args.boundary,
    )
    tasks = eval_tasks(folder, kind, infos)
    result = evaluate_maps(tasks, cfg, args.workers)
    metrics = metrics_of(result, classes)
    print_log(f'\n{tables_of(result, classes)}')
    for remark in (scored_what(folder, kind, args), *remarks_of(result)):
        print_log(remark)
    if args.out:
        write_json(metrics, args.out)
    return metrics


if __name__ == '__main__':
    with plain_errors(ValueError, RuntimeError):
        main()
