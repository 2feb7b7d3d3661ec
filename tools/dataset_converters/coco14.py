# Licensed under Apache-2.0.
"""Turn COCO's instance annotations into class masks and image labels.

COCO 2014, both halves::

    python tools/dataset_converters/coco14.py --split train \\
        --images data/coco14/train2014 \\
        --annotations data/coco14/annotations/instances_train2014.json \\
        --out data/coco14
    (the same with val for train, three times)

Any other part of COCO, such as a few photos of 2017, works the same way::

    python tools/dataset_converters/coco14.py --split val \\
        --images PHOTOS/val2017 \\
        --annotations PHOTOS/annotations/instances_val2017.json \\
        --out data/coco_tiny --keep-empty
    (the same with train for val, three times)

It writes ``OUT/SegmentationClass/<image folder>/*.png`` (81 classes: 0 background,
1..80 in COCO's order; no pixel is ignored), ``OUT/splits/<split>.txt`` (``name class
...``, blanks in class names as ``_``, by name), and links the image folder into OUT
if it lies elsewhere. Every image gets a mask; the list holds those with at least one
object, as the published ones do (82,081 and 40,137), with ``--keep-empty`` all, those
without an object by the label ``background``.

Overlaps: the smaller instance is on top; crowd regions are below all others. An
image has the classes that its mask shows (those of its annotations if the mask is
empty). The result depends on the annotations alone, not on the number of workers.
Masks that are there already are kept: run it again to resume, with ``--overwrite``
to begin anew.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.coco14 import COCO14WeakDataset
from mmwsss.datasets.coco_masks import class_mask
from mmwsss.datasets.label_channels import BACKGROUND
from mmwsss.datasets.readers.label_source import LabelSource
from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import share_missing
from mmwsss.io.label_png import save_label_png
from mmwsss.io.mask_files import load_mask, write_labels
from mmwsss.io.place_file import place_file
from mmwsss.pipeline.workers import parallel_map

CLASSES = COCO14WeakDataset.METAINFO['classes']
PALETTE = COCO14WeakDataset.METAINFO['palette']


@dataclass(frozen=True)
class Task:
    """One mask to be written.

    Attributes:
        name: file name of the image.
        size: (height, width) of the image.
        annotations: those of the image.
        class_ids: class id by COCO's category id.
        mask: path of the mask.
        overwrite: write it even if it is there.
    """

    name: str
    size: tuple[int, int]
    annotations: list[dict]
    class_ids: dict[int, int]
    mask: str
    overwrite: bool


def class_ids(categories: list[dict], path: str) -> dict[int, int]:
    """Class id 1..80 by category id, checked against the names of the data set.

    Raises:
        DataError: if they are not COCO's 80 categories.
    """
    ordered = sorted(categories, key=lambda item: item['id'])
    names = tuple(item['name'] for item in ordered)
    if names != CLASSES[1:]:
        raise DataError(
            path,
            f'has {len(names)} categories that are not the 80 of '
            f'COCO (first: {names[:3]})',
            'give an instances_*.json',
        )
    return {item['id']: index for index, item in enumerate(ordered, 1)}


def make_tasks(
    annotations: str, images: str, masks: Path, overwrite: bool
) -> list[Task]:
    """One task per image, by file name.

    Raises:
        DataError: if the annotations are not COCO's, or images are missing.
    """
    try:
        return _tasks_of(
            LabelSource(annotations).json, annotations, images, masks, overwrite
        )
    except (AttributeError, KeyError, TypeError) as err:
        raise DataError(
            annotations,
            f'is no COCO instances file ({type(err).__name__}: {err})',
            'give an instances_*.json',
        ) from err


def _tasks_of(
    content: dict[str, list[dict]],
    annotations: str,
    images: str,
    masks: Path,
    overwrite: bool,
) -> list[Task]:
    ids = class_ids(content['categories'], annotations)
    objects = defaultdict(list)
    for item in content['annotations']:
        objects[item['image_id']].append(item)
    infos = sorted(content['images'], key=lambda item: item['file_name'])
    present = set(os.listdir(images)) if os.path.isdir(images) else set()
    absent = [item['file_name'] for item in infos if item['file_name'] not in present]
    if absent:
        raise DataError(
            os.path.join(images, absent[0]),
            f'is not there: {share_missing(len(absent), len(infos), "images")}',
            'give the folder that belongs to the annotations',
        )
    return [
        Task(
            item['file_name'],
            (item['height'], item['width']),
            objects.get(item['id'], []),
            ids,
            str(masks / f'{Path(item["file_name"]).stem}.png'),
            overwrite,
        )
        for item in infos
    ]


def convert_image(task: Task) -> tuple[str, ...]:
    """Write one mask, or read the one that is there; gives its class names.

    Raises:
        DataError: if an annotation fits neither form or the image.
    """
    mask = None if task.overwrite else load_mask(task.mask, task.size)
    if mask is None:
        try:
            mask = class_mask(task.annotations, task.class_ids, task.size)
        except (ArithmeticError, LookupError, TypeError, ValueError) as err:
            raise DataError(
                task.name,
                f'has a broken annotation ({type(err).__name__}: {err})',
                'download the annotations again',
            ) from err
        save_label_png(mask, task.mask, PALETTE)
    found = np.flatnonzero(np.bincount(mask.reshape(-1), minlength=256)[:81])
    found = set(found.tolist()) - {0}
    found = found or {task.class_ids[a['category_id']] for a in task.annotations}
    return tuple(CLASSES[index] for index in sorted(found))


def place_images(images: str, names: Sequence[str], out: Path, copy: bool) -> None:
    """Make the images reachable as OUT/<image folder>: a link, or copies by name.

    Copies that are there, whole, are kept: what a kill left out is made up for.
    """
    target = out / Path(images).name
    if copy and not target.is_symlink():
        for name in names:
            place_file(os.path.join(images, name), target / name, copy=True)
    elif not target.exists():
        target.symlink_to(Path(images).resolve(), target_is_directory=True)


def convert(
    annotations: str,
    images: str,
    out: str,
    split: str,
    workers: int = 0,
    overwrite: bool = False,
    copy_images: bool = False,
    keep_empty: bool = False,
) -> tuple[str, int, int]:
    """Convert one split; gives its label file and the numbers of masks and lines."""
    images = os.path.normpath(images)
    masks = Path(out) / 'SegmentationClass' / Path(images).name
    tasks = make_tasks(annotations, images, masks, overwrite)
    masks.mkdir(parents=True, exist_ok=True)
    classes = parallel_map(convert_image, tasks, workers)
    place_images(images, [task.name for task in tasks], Path(out), copy_images)
    path = Path(out) / 'splits' / f'{split}.txt'
    labels = {
        Path(task.name).stem: names or (BACKGROUND,)
        for task, names in zip(tasks, classes)
        if names or keep_empty
    }
    write_labels(path, labels)
    return str(path), len(tasks), len(labels)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--annotations', required=True, help='instances_*.json')
    parser.add_argument('--images', required=True, help='folder of the images')
    parser.add_argument('--out', required=True, help='folder of the data set')
    parser.add_argument('--split', required=True, help='name of the list: train, val')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='write masks again that are there already',
    )
    parser.add_argument(
        '--copy-images',
        action='store_true',
        help='copy the images into OUT instead of linking the folder',
    )
    parser.add_argument(
        '--keep-empty', action='store_true', help='list images without an object too'
    )
    return parser.parse_args()


def main() -> None:
    """Convert as the command line says."""
    args = parse_args()
    path, masks, lines = convert(
        args.annotations,
        args.images,
        args.out,
        args.split,
        args.workers,
        args.overwrite,
        args.copy_images,
        args.keep_empty,
    )
    print_log(f'\n{masks} masks; {lines} images listed in {path}')


if __name__ == '__main__':
    with plain_errors():
        main()
