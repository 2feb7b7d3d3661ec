# Licensed under Apache-2.0.
"""Make partial labels, a little more than image labels, for a config's training.

::

    python tools/dataset_converters/partial_labels.py CONFIG --masks --count 100 \\
        --out data/mine/partial
    python tools/dataset_converters/partial_labels.py CONFIG --points --radius 3 \\
        --out data/mine/partial
    python tools/dataset_converters/partial_labels.py CONFIG --clicks clicks.csv \\
        --out data/mine/partial
    python tools/dataset_converters/partial_labels.py CONFIG --labelme DIR \\
        --out data/mine/partial

--masks keeps whole masks of some pictures; --points keeps one disc for each region of
their masks, as somebody would click; --clicks reads a table image,x,y,class; --labelme
reads points, lines (scribbles) and polygons. The training data of CONFIG say which
pictures and classes there are. OUT gets one PNG of ids for each of these pictures, 255
where nothing is known; docs/en/side_inputs.md says how a training reads it.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from mmwsss.cli.arguments import add_cfg_options, merged_config, plain_errors
from mmwsss.datasets.partial.mark_files import read_clicks, read_labelme
from mmwsss.datasets.partial.written_maps import (
    Info,
    MapTask,
    chosen,
    masks_there,
    of_marks,
    write_map,
)
from mmwsss.datasets.readers.reading import read_names
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.errors import UserError
from mmwsss.io.inputs_read import inputs_read
from mmwsss.io.output_folder import claim_outputs, made_in
from mmwsss.pipeline.workers import parallel_map
from mmwsss.registry import DATASETS


def training_pictures(cfg: Config) -> WeakSegDataset:
    """The training data set without masks, side inputs and pipeline.

    Raises:
        UserError: if it is none of mmwsss, or takes some of its classes only.
    """
    settings = dict(cfg.train_dataloader.dataset)
    settings |= dict(pipeline=[], side_inputs=None, with_masks=False, check_samples=0)
    dataset = DATASETS.build(settings)
    if not isinstance(dataset, WeakSegDataset):
        raise UserError(
            f'{cfg.filename}: train_dataloader.dataset is a {settings["type"]}; '
            'partial labels are for a data set of mmwsss'
        )
    if dataset.label_map is not None:
        raise UserError(
            f'{cfg.filename} takes some of the classes of its data set; partial labels '
            'have the ids of all: name a config with all classes'
        )
    return dataset


def tasks_of(dataset: WeakSegDataset, args: argparse.Namespace) -> list[MapTask]:
    """What is to be written.

    Raises:
        DataError: if masks, clicks or their pictures are missing.
    """
    infos: list[Info] = [dataset.get_data_info(i) for i in range(len(dataset))]
    classes = dataset.metainfo['classes']
    marks = None
    if args.clicks or args.labelme:
        source = args.clicks or args.labelme
        given = (read_clicks if args.clicks else read_labelme)(source, classes)
        marks = of_marks(infos, given, source)
        found = [(info, source) for info in infos if info['img_id'] in marks]
    else:
        folder = args.ann_dir or dataset.data_prefix.get('seg_map_path') or ''
        names = None if args.list is None else read_names(args.list)
        there = masks_there(infos, folder, dataset.seg_map_suffix)
        found = chosen(there, folder, args.count, args.seed, names)
    return [
        MapTask(
            info,
            source,
            str(args.out / f'{info["img_id"]}.png'),
            len(classes),
            dataset.metainfo['palette'],
            None if args.masks else args.radius,
            None if marks is None else tuple(marks[info['img_id']]),
        )
        for info, source in found
    ]


def claim(tasks: Sequence[MapTask], dataset: WeakSegDataset, args) -> None:
    """Claim the folder; one of other pictures is refused, since all there would count.

    Raises:
        OutputError, UserError: naming what is in the way.
    """
    planned = {f'{task.info["img_id"]}.png': task.source for task in tasks}
    left = sorted(made_in(args.out) - set(planned))
    if any((args.out / name).exists() for name in left):
        raise UserError(
            f'{args.out} holds partial labels of {len(left)} other pictures, of an '
            f'earlier run (first: {left[0]}), which would count too: give another '
            'folder to --out, or delete it'
        )
    read = [args.clicks or args.labelme or os.path.dirname(tasks[0].source)]
    claim_outputs(args.out, planned.items(), [*inputs_read(dataset), *read])


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='whose training data are meant')
    parser.add_argument('--out', type=Path, required=True, help='folder of the PNGs')
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--masks', action='store_true', help='keep whole masks')
    what.add_argument('--points', action='store_true', help='one point a region')
    what.add_argument('--clicks', metavar='CSV', help='a table image,x,y,class')
    what.add_argument('--labelme', metavar='DIR', help="LabelMe's JSON files")
    parser.add_argument(
        '--ann-dir', help='folder of the masks; default: that of the data set'
    )
    parser.add_argument('--list', metavar='FILE', help='pictures, one a line')
    parser.add_argument(
        '--count', type=int, metavar='N', help='of pictures with masks; default: all'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the choice of --count')
    parser.add_argument(
        '--radius', type=int, default=3, help='of points and strokes, in pixels'
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if args.radius < 0 or (args.count is not None and args.count < 1):
        parser.error('--radius must be at least 0, --count at least 1')
    if (args.clicks or args.labelme) and (args.list or args.count or args.ann_dir):
        parser.error('--list, --count and --ann-dir choose masks: leave them out')
    return args


def main(argv: list[str] | None = None) -> None:
    """Write the maps; say what is known then."""
    args = parse_args(argv)
    dataset = training_pictures(merged_config(args))
    tasks = tasks_of(dataset, args)
    claim(tasks, dataset, args)
    counts = parallel_map(write_map, tasks, args.workers)
    print_log(
        f'{len(tasks)} of {len(dataset)} pictures have partial labels in {args.out}'
    )
    for i, name in enumerate(dataset.metainfo['classes']):
        held = [one[i] for one in counts if i in one]
        print_log(f'{name} ({i}): {sum(held)} pixels in {len(held)} pictures')


if __name__ == '__main__':
    with plain_errors():
        main()
