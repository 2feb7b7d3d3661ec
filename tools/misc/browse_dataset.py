# Licensed under Apache-2.0.
"""Write pictures of what a data set yields, to look at before training.

::

    python tools/misc/browse_dataset.py configs/toco/toco_vit-b_voc.py --out browse
    python tools/misc/browse_dataset.py CONFIG --split val --number 20

What is wrong with the files says tools/analysis_tools/check_dataset.py.

Each has a heading above it. For training: the views side by side, the box of real
pixels on the first, and the side inputs, below the image labels. For the splits val and
test: the image, its mask, both overlaid, and a legend.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from PIL import Image, ImageDraw

from mmwsss.cli.arguments import (
    RenamedAction,
    add_cfg_options,
    merged_config,
    plain_errors,
)
from mmwsss.datasets.seeding import mix_seed
from mmwsss.io.atomic_file import write_picture
from mmwsss.io.inputs_read import inputs_read
from mmwsss.io.output_folder import claim_outputs
from mmwsss.io.palette import full_palette
from mmwsss.pipeline.data_check.check_data import check_data, open_splits
from mmwsss.pipeline.data_check.check_line import say_lines
from mmwsss.registry import DATASETS
from mmwsss.visualization.panels import Tile, compose_panel
from mmwsss.visualization.samples import to_picture

#: pixels that the largest picture is wide and high at least, so that headings fit
SMALLEST = 160


def draw_box(img: np.ndarray, box: list[int]) -> np.ndarray:
    """Outline (y0, y1, x0, x1)."""
    picture = Image.fromarray(img)
    y0, y1, x0, x1 = box
    if y1 > y0 and x1 > x0:
        ImageDraw.Draw(picture).rectangle((x0, y0, x1 - 1, y1 - 1), outline='lime')
    return np.asarray(picture)


def side_panel(values: np.ndarray) -> np.ndarray:
    """Ids (1, H, W) in colours; the highest of maps (K, H, W) in [0, 1] as grey."""
    if values.dtype.kind == 'i':
        return full_palette(None)[values[0] % 256]
    grey = (255 * values.max(0).clip(0, 1)).round().astype(np.uint8)
    return np.stack([grey] * 3, -1)


def tiles(
    item: dict,
    palette: list,
    side_inputs: Sequence[str] = (),
    picture: Mapping | None = None,
) -> list[Tile]:
    """The pictures of one item with their headings, see :func:`enlarged`."""
    inputs, sample = item['inputs'], item['data_samples']
    views = inputs if isinstance(inputs, dict) else dict(photo=inputs)
    found = [
        Tile(heading(name), to_picture(view, picture)) for name, view in views.items()
    ]
    if 'valid_box' in sample:
        found[0].picture = draw_box(found[0].picture, sample.valid_box.tolist())
    if 'gt_sem_seg' in sample:
        found += mask_tiles(
            found[0].picture, sample.gt_sem_seg.data[0].numpy(), palette
        )
    found += [
        Tile(heading(name), side_panel(getattr(sample, name).data.numpy()))
        for name in side_inputs
        if name in sample
    ]
    return enlarged(found)


def mask_tiles(photo: np.ndarray, ids: np.ndarray, palette: list) -> list[Tile]:
    """The mask (H, W), and it over the photo, which may have another size."""
    mask, labels = full_palette(palette)[ids], frozenset(np.unique(ids).tolist())
    under = np.asarray(Image.fromarray(photo).resize(mask.shape[1::-1]))
    mixed = (under // 2 + mask // 2).astype(np.uint8)
    return [Tile('mask', mask, labels), Tile('mask on photo', mixed, labels)]


def heading(name: str) -> str:
    """The name of a view or side input in words: ``view1`` → ``view 1``."""
    return re.sub(r'(?<=[a-z])(?=\d)|_', ' ', name)


def enlarged(found: list[Tile]) -> list[Tile]:
    """All by one whole number, so that the largest has ``SMALLEST`` pixels at least."""
    times = -(-SMALLEST // max(min(tile.picture.shape[:2]) for tile in found))
    return [
        replace(tile, picture=tile.picture.repeat(times, 0).repeat(times, 1))
        for tile in found
    ]


def browse(dataset, out: Path, number: int, seed: int) -> list[Path]:
    """Write the first ``number`` items; gives the files."""
    shown = range(min(number, len(dataset)))
    paths = [dataset.get_data_info(index)['img_path'] for index in shown]
    names = [f'{i:04d}_{Path(path).stem}.png' for i, path in enumerate(paths)]
    claim_outputs(out, zip(names, paths, strict=True), inputs_read(dataset))
    classes, palette = dataset.metainfo['classes'], dataset.metainfo['palette']
    side_inputs = [side.name for side in dataset.side_inputs]
    files = []
    for index, name in enumerate(names):
        item = dataset[index, mix_seed(seed, index)]
        sample = item['data_samples']
        labels = ', '.join(classes[c + 1] for c in sample.gt_labels) or 'no object'
        known = dataset.get_data_info(index)['labels_known']
        files.append(out / name)
        row = tiles(item, palette, side_inputs, dataset.metainfo.get('picture'))
        title = f'{sample.img_id}: {labels if known else "label unknown"}'
        panel = compose_panel([row], classes, palette, title)
        write_picture(Image.fromarray(panel), files[-1])
    return files


def verify(split: str, cfg: dict) -> None:
    """What ``--verify`` did before there was a tool for it: check a split's files.

    Raises:
        SystemExit: with 1 if something is refused.
    """
    print_log(
        '--verify is tools/analysis_tools/check_dataset.py now, which reports more'
    )
    datasets, closed = open_splits({split: cfg})
    if say_lines([*closed, *check_data(datasets)[1]]):
        raise SystemExit(1)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='a config with <split>_dataloader')
    parser.add_argument(
        '--split', default='train', choices=('train', 'val', 'test'), help='which part'
    )
    parser.add_argument('--part', action=RenamedAction, dest='split')
    parser.add_argument('--out', type=Path, default=Path('browse'))
    parser.add_argument('--number', type=int, default=10)
    parser.add_argument('--seed', type=int, default=0, help='of the augmentation')
    parser.add_argument('--verify', action='store_true', help=argparse.SUPPRESS)
    add_cfg_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Browse."""
    args = parse_args(argv)
    cfg = merged_config(args)
    init_default_scope(cfg.get('default_scope', 'mmwsss'))
    loader = cfg.get(f'{args.split}_dataloader')
    if loader is None:
        raise SystemExit(f'{args.config} has no {args.split}_dataloader')
    if args.verify:
        verify(args.split, loader.dataset)
        return
    files = browse(DATASETS.build(loader.dataset), args.out, args.number, args.seed)
    print_log(f'{len(files)} pictures in {args.out}', 'current')


if __name__ == '__main__':
    with plain_errors():
        main()
