# Licensed under Apache-2.0.
"""Make VOC Animals, six classes of small photos, from PASCAL VOC 2012.

::

    python tools/dataset_converters/voc12.py data/VOCdevkit/VOC2012 \\
        --sbd data/benchmark_RELEASE
    python tools/dataset_converters/voc_animals.py data/VOCdevkit/VOC2012 \\
        --out data/voc_animals

The photos of the lists that come with mmwsss are resized to a long side of 320 pixels
(Lanczos, JPEG of quality 90), their masks by nearest neighbour; the six classes become
1 (cat) to 6 (sheep), all others 255. Masks come from ``SegmentationClassAug``, which
the first command makes. Without it only the 370 training photos of VOC's own ``train``
have masks: enough to train from image labels and to test on ``val``, not to score CAMs
on ``train`` or to train the fully supervised bound.

Files that are there already and whole are kept: run it again to resume.
"""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.readers.reading import read_names
from mmwsss.datasets.voc12 import VOC12WeakDataset
from mmwsss.datasets.voc_animals import SPLITS, VOCAnimalsDataset
from mmwsss.io.atomic_file import is_whole, write_atomic, write_picture
from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import FileFinder
from mmwsss.io.label_png import save_label_png
from mmwsss.pipeline.workers import parallel_map

CLASSES = VOCAnimalsDataset.METAINFO['classes']
PALETTE = VOCAnimalsDataset.METAINFO['palette']
WRITTEN = ('train', 'val')  # fit and tune are parts of train
LONG_SIDE = 320
MASK_FOLDERS = ('SegmentationClassAug', 'SegmentationClass')


@dataclass(frozen=True)
class Task:
    """One photo and, where there is one, its mask."""

    photo: str
    mask: str | None
    photo_out: str
    mask_out: str


def id_table() -> np.ndarray:
    """(256,) uint8: VOC's class id → the id here; classes left out become 255."""
    table = np.full(256, 255, np.uint8)
    voc = VOC12WeakDataset.METAINFO['classes']
    for here, name in enumerate(CLASSES):
        table[voc.index(name)] = here
    return table


def small_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) with the long side at 320 pixels, rounded."""
    return tuple(round(side * LONG_SIDE / max(size)) for side in size)


def convert(task: Task) -> None:
    """Write one photo and its mask unless they are there.

    Raises:
        DataError: if a file can't be read, or the mask hasn't the photo's size.
    """
    if not is_whole(task.photo_out):
        photo = opened(task.photo).convert('RGB')
        small = photo.resize(small_size(photo.size), Image.Resampling.LANCZOS)
        write_picture(small, task.photo_out, quality=90)
    if task.mask is None or is_whole(task.mask_out):
        return
    mask = opened(task.mask)
    with Image.open(task.photo) as photo:
        if mask.size != photo.size:
            raise DataError(task.mask, f'has not the size of {task.photo}', _UNPACK)
    ids = Image.fromarray(id_table()[np.asarray(mask)])
    small = ids.resize(small_size(mask.size), Image.Resampling.NEAREST)
    save_label_png(np.asarray(small), task.mask_out, PALETTE)


_UNPACK = 'unpack VOCtrainval_11-May-2012.tar again'


def opened(path: str) -> Image.Image:
    """A picture, read whole.

    Raises:
        DataError: if it can't be read.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError) as err:
        raise DataError(path, f'can not be read ({err})', _UNPACK) from err


def find_photos(devkit: Path, names: list[str]) -> list[str]:
    """The photos in VOC's folder.

    Raises:
        DataError: naming the first that is missing and how many there are.
    """
    finder = FileFinder(str(devkit / 'JPEGImages'), listed=True)
    found = [finder.find(name, '.jpg') for name in names]
    finder.refuse_missing(
        DataError,
        'photos',
        len(names),
        'unpack VOCtrainval_11-May-2012.tar and give the folder VOC2012',
    )
    return found


def find_mask(devkit: Path, name: str) -> str | None:
    """The mask of a photo, merged ones first; ``None`` where there is none."""
    paths = (devkit / folder / f'{name}.png' for folder in MASK_FOLDERS)
    return next((str(path) for path in paths if path.is_file()), None)


def tasks_of(devkit: Path, out: Path, names: list[str]) -> list[Task]:
    """What is to be written for these photos."""
    photos = find_photos(devkit, names)
    return [
        Task(
            photo,
            find_mask(devkit, name),
            str(out / 'images' / f'{name}.jpg'),
            str(out / 'masks' / f'{name}.png'),
        )
        for name, photo in zip(names, photos, strict=True)
    ]


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('devkit', type=Path, help='the folder VOCdevkit/VOC2012')
    parser.add_argument('--out', type=Path, default=Path('data/voc_animals'))
    parser.add_argument(
        '--splits',
        type=Path,
        default=SPLITS,
        help='lists of the photos; those of mmwsss by default',
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> None:
    """Convert the photos and masks, write lists and classes."""
    args = parse_args()
    lists = {split: args.splits / f'{split}.txt' for split in WRITTEN}
    names = {split: read_names(str(path)) for split, path in lists.items()}
    tasks = {split: tasks_of(args.devkit, args.out, of) for split, of in names.items()}
    parallel_map(convert, [task for of in tasks.values() for task in of], args.workers)
    for split, path in lists.items():
        shutil.copyfile(path, args.out / f'{split}.txt')
    write_atomic('\n'.join((*CLASSES[1:], '')).encode(), args.out / 'classes.txt')
    for split, of in tasks.items():
        masks = sum(task.mask is not None for task in of)
        print_log(f'{split}: {len(of)} photos, {masks} with masks')
        if masks < len(of):
            print_log(
                f'{split} has {len(of) - masks} photos without a mask: '
                'tools/dataset_converters/voc12.py --sbd makes them'
            )


if __name__ == '__main__':
    with plain_errors():
        main()
