# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mmwsss.io.palette import voc_palette
from mmwsss.registry import DATASETS

from .weak_seg_dataset import WeakSegDataset

SPLITS = Path(__file__).parent / 'splits' / 'voc12'


def shipped_split(folder: Path, split: str) -> str:
    """The file of a split whose image labels come with mmwsss.

    Raises:
        ValueError: if there is no such split, naming those that there are.
    """
    file = folder / f'{split}.txt'
    if not file.is_file():
        known = sorted(file.stem for file in folder.glob('*.txt'))
        raise ValueError(f'split={split!r} is unknown; use one of {known}')
    return str(file)


@DATASETS.register_module()
class VOC12WeakDataset(WeakSegDataset):
    """PASCAL VOC 2012 with the standard splits, whose labels come with mmwsss.

    ``train_aug`` 10,582 images, ``train`` 1,464, ``val`` 1,449, ``test`` 1,456
    (``test`` has neither labels nor masks). The labels are those of the XML
    files, "difficult" objects included.

    Args:
        split: one of the four; not used when ``ann_file`` is given.
        ann_file: another label file.
        data_prefix: by default ``JPEGImages`` and ``SegmentationClass``.
        with_masks: as in :class:`WeakSegDataset`, but off for ``test``.
        **kwargs: those of :class:`WeakSegDataset`.

    Raises:
        ValueError: if the split is unknown.
    """

    PICTURE: ClassVar = dict(exif='ignore')  # masks lie on the pixels as stored
    METAINFO = dict(
        classes=(
            'background',
            'aeroplane',
            'bicycle',
            'bird',
            'boat',
            'bottle',
            'bus',
            'car',
            'cat',
            'chair',
            'cow',
            'diningtable',
            'dog',
            'horse',
            'motorbike',
            'person',
            'pottedplant',
            'sheep',
            'sofa',
            'train',
            'tvmonitor',
        ),
        palette=voc_palette(21).tolist(),
        long_side=500,
    )

    def __init__(
        self,
        split: str = 'train_aug',
        ann_file: str = '',
        data_prefix: dict | None = None,
        with_masks: bool | None = None,
        **kwargs,
    ) -> None:
        if not ann_file:
            ann_file = shipped_split(SPLITS, split)
            if split == 'test':
                with_masks = bool(with_masks)
                kwargs.setdefault('allow_unlabelled', True)
        prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
        super().__init__(
            ann_file=ann_file,
            data_prefix=prefix | (data_prefix or {}),
            with_masks=with_masks,
            **kwargs,
        )
