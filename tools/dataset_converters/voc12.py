# Licensed under Apache-2.0.
"""Check PASCAL VOC 2012, write its image labels, merge SBD's masks into it.

::

    python tools/dataset_converters/voc12.py data/VOCdevkit/VOC2012
    python tools/dataset_converters/voc12.py data/VOCdevkit/VOC2012 \\
        --sbd data/benchmark_RELEASE

Weakly supervised training needs VOCtrainval alone: the lists and labels come with
mmwsss. This tool

* checks that all images, XML files and masks of the standard lists are there;
* writes ``VOC2012/WeakLabels/<split>.txt`` (``name class ...``) from the XML files,
  "difficult" objects included, and says where they differ from the shipped labels;
* with ``--sbd``, writes ``VOC2012/SegmentationClassAug/*.png`` for the 10,582
  + 1,449 images of train_aug and val, for fully supervised bounds and for scoring
  pseudo labels: VOC's mask where there is one, else SBD's (``dataset/cls/*.mat``).

Masks that are there already are kept: run it again to resume.
"""

from __future__ import annotations

import argparse
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from mmwsss.cli.arguments import plain_errors
from mmwsss.datasets.readers.reading import Labels, read_labels, read_names
from mmwsss.datasets.readers.voc_xml_reader import read_voc_objects
from mmwsss.datasets.voc12 import SPLITS, VOC12WeakDataset
from mmwsss.io.data_errors import DataError
from mmwsss.io.image_files import share_missing
from mmwsss.io.label_png import save_label_png
from mmwsss.io.mask_files import load_mask, write_labels
from mmwsss.pipeline.workers import parallel_map

CLASSES = VOC12WeakDataset.METAINFO['classes']
PALETTE = VOC12WeakDataset.METAINFO['palette']
LABELLED = ('train', 'train_aug', 'val')


@dataclass(frozen=True)
class Task:
    """One mask of SegmentationClassAug: its sources and its place."""

    image: str
    voc_mask: str
    sbd_mask: str
    out: str


def split_names(splits: Path = SPLITS) -> dict[str, list[str]]:
    """Image names of the labelled splits."""
    return {split: read_names(str(splits / f'{split}.txt')) for split in LABELLED}


def check_devkit(devkit: Path, names: dict[str, list[str]]) -> None:
    """Refuse an incomplete VOC2012 folder.

    Raises:
        DataError: naming the first missing file and how many there are.
    """
    everything = sorted({name for split in names.values() for name in split})
    masked = [*names['train'], *names['val']]
    for folder, suffix, needed in (
        ('JPEGImages', '.jpg', everything),
        ('Annotations', '.xml', everything),
        ('SegmentationClass', '.png', masked),
    ):
        path = devkit / folder
        present = set(os.listdir(path)) if path.is_dir() else set()
        absent = [name for name in needed if name + suffix not in present]
        if absent:
            raise DataError(
                str(path / (absent[0] + suffix)),
                'is not there: '
                + share_missing(len(absent), len(needed), f'files of {folder}'),
                'unpack VOCtrainval_11-May-2012.tar and give the folder VOC2012',
            )


def xml_labels(devkit: Path, names: list[str]) -> Labels:
    """Class names of the images, in the order of the classes.

    Raises:
        DataError: if an XML file names a class that VOC does not have.
    """
    labels = {}
    for name in names:
        path = devkit / 'Annotations' / f'{name}.xml'
        found = read_voc_objects(str(path))
        unknown = set(found) - set(CLASSES[1:])
        if unknown:
            raise DataError(
                str(path),
                f'names the unknown class {min(unknown)!r}',
                'unpack VOCtrainval_11-May-2012.tar again',
            )
        labels[name] = tuple(sorted(found, key=CLASSES.index))
    return labels


def write_xml_labels(
    devkit: Path, names: dict[str, list[str]], splits: Path = SPLITS
) -> int:
    """Write the labels of all splits; gives how many differ from the shipped."""
    differing = set()
    for split, split_list in names.items():
        labels = xml_labels(devkit, split_list)
        write_labels(devkit / 'WeakLabels' / f'{split}.txt', labels)
        shipped = read_labels(str(splits / f'{split}.txt'), 'text')
        differing |= {
            name for name in labels if set(labels[name]) != set(shipped[name])
        }
    for name in sorted(differing)[:10]:
        print_log(f'{name}: the labels of its XML differ from the shipped ones')
    return len(differing)


def read_sbd(path: str) -> np.ndarray:
    """(H, W) uint8 class ids of one ``.mat`` file of SBD.

    Raises:
        DataError: if it is missing or no SBD class file.
        ImportError: if scipy is not installed.
    """
    from scipy.io import loadmat, matlab  # only this function needs scipy

    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
        return np.ascontiguousarray(content['GTcls'].Segmentation, dtype=np.uint8)
    except (
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        zlib.error,
        matlab.MatReadError,
    ) as err:
        raise DataError(
            path,
            f'is no SBD class mask ({err})',
            'unpack benchmark.tgz and give its folder benchmark_RELEASE',
        ) from err


def merge_mask(task: Task) -> bool:
    """Write one mask; gives False if it was there.

    Raises:
        DataError: if its size or ids do not fit.
    """
    with Image.open(task.image) as img:
        size = img.size[::-1]
    if load_mask(task.out, size) is not None:
        return False
    source = task.voc_mask if os.path.isfile(task.voc_mask) else task.sbd_mask
    if source == task.sbd_mask:
        mask = read_sbd(source)
    else:
        mask = load_mask(source, size)
    if mask is None or mask.shape != size:
        raise DataError(source, f'has not the size of {task.image}', 'unpack it again')
    if not set(np.unique(mask).tolist()) <= {*range(len(CLASSES)), 255}:
        raise DataError(source, 'holds ids outside 0..20 and 255', 'unpack it again')
    save_label_png(mask, task.out, PALETTE)
    return True


def merge_sbd(
    devkit: Path, sbd: Path, names: dict[str, list[str]], workers: int
) -> int:
    """Write SegmentationClassAug; gives the number of new masks.

    Raises:
        DataError: if a mask is in neither source.
    """
    folder = sbd / 'dataset' / 'cls'
    folder = folder if folder.is_dir() else sbd / 'cls'
    out = devkit / 'SegmentationClassAug'
    out.mkdir(exist_ok=True)
    tasks = [
        Task(
            str(devkit / 'JPEGImages' / f'{name}.jpg'),
            str(devkit / 'SegmentationClass' / f'{name}.png'),
            str(folder / f'{name}.mat'),
            str(out / f'{name}.png'),
        )
        for name in sorted({*names['train_aug'], *names['val']})
    ]
    return sum(parallel_map(merge_mask, tasks, workers))


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('devkit', type=Path, help='the folder VOCdevkit/VOC2012')
    parser.add_argument('--sbd', type=Path, help='the folder benchmark_RELEASE')
    parser.add_argument(
        '--splits',
        type=Path,
        default=SPLITS,
        help='lists of the images; the standard ones by default',
    )
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> None:
    """Check, write labels, merge."""
    args = parse_args()
    names = split_names(args.splits)
    check_devkit(args.devkit, names)
    differing = write_xml_labels(args.devkit, names, args.splits)
    counts = ', '.join(f'{split} {len(items)}' for split, items in names.items())
    print_log(
        f'complete: {counts}; labels in {args.devkit / "WeakLabels"}, of which '
        f'{differing} differ from the shipped ones'
    )
    if args.sbd:
        new = merge_sbd(args.devkit, args.sbd, names, args.workers)
        print_log(f'\n{new} new masks in {args.devkit / "SegmentationClassAug"}')


if __name__ == '__main__':
    with plain_errors():
        main()
