# Licensed under Apache-2.0.
"""Write pictures of what a data set yields, to look at before training.

::

    python tools/misc/browse_dataset.py configs/toco/toco_vit-b_voc.py --out browse
    python tools/misc/browse_dataset.py CONFIG --split val --number 20

What is wrong with the files says tools/analysis_tools/check_dataset.py.

For training: the views side by side, the box of real pixels on the first, the image
labels above, and the side inputs. For the splits val and test: the image, its mask,
both overlaid.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
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
from mmwsss.visualization.panels import legend_strip
from mmwsss.visualization.samples import to_picture

HEAD = 16  # height in pixels of the line of text


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


def panels(
    item: dict,
    palette: list,
    side_inputs: Sequence[str] = (),
    picture: Mapping | None = None,
) -> list[np.ndarray]:
    """The pictures of one item, (H, W, 3) uint8 each."""
    inputs, sample = item['inputs'], item['data_samples']
    views = inputs if isinstance(inputs, dict) else dict(img=inputs)
    pictures = [to_picture(view, picture) for view in views.values()]
    if 'valid_box' in sample:
        pictures[0] = draw_box(pictures[0], sample.valid_box.tolist())
    if 'gt_sem_seg' in sample:
        mask = full_palette(palette)[sample.gt_sem_seg.data[0].numpy()]
        photo = Image.fromarray(pictures[0]).resize(mask.shape[1::-1])
        mixed = (np.asarray(photo) // 2 + mask // 2).astype(np.uint8)
        pictures += [mask, mixed]
    pictures += [
        side_panel(getattr(sample, name).data.numpy())
        for name in side_inputs
        if name in sample
    ]
    return pictures


def legend(item: dict, metainfo: Mapping, width: int) -> np.ndarray | None:
    """Names and colours of the ids in a mask, (H, width, 3) uint8; None without one."""
    if 'gt_sem_seg' not in item['data_samples']:
        return None
    ids = item['data_samples'].gt_sem_seg.data.unique().tolist()
    return legend_strip(ids, metainfo['classes'], metainfo['palette'], width)


def sheet(
    pictures: list[np.ndarray], title: str, below: np.ndarray | None = None
) -> Image.Image:
    """Pictures side by side below a line of text, and a legend."""
    width = sum(picture.shape[1] for picture in pictures)
    height = max(picture.shape[0] for picture in pictures)
    more = 0 if below is None else len(below)
    out = Image.new('RGB', (width, height + HEAD + more), 'black')
    ImageDraw.Draw(out).text((2, 2), title, fill='white')
    left = 0
    for picture in pictures:
        out.paste(Image.fromarray(picture), (left, HEAD))
        left += picture.shape[1]
    if below is not None:
        out.paste(Image.fromarray(below), (0, height + HEAD))
    return out


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
        labels = ', '.join(classes[c + 1] for c in sample.gt_labels)
        files.append(out / name)
        picture = dataset.metainfo.get('picture')
        pictures = panels(item, palette, side_inputs, picture)
        width = sum(one.shape[1] for one in pictures)
        below = legend(item, dataset.metainfo, width)
        write_picture(sheet(pictures, f'{sample.img_id}: {labels}', below), files[-1])
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
