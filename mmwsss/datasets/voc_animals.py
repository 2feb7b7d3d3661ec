# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mmwsss.io.palette import voc_palette
from mmwsss.registry import DATASETS

from .voc12 import shipped_split
from .weak_seg_dataset import WeakSegDataset

SPLITS = Path(__file__).parent / 'splits' / 'voc_animals'


@DATASETS.register_module()
class VOCAnimalsDataset(WeakSegDataset):
    """Six animal and person classes of PASCAL VOC 2012, photos of 320 pixels.

    The photos whose image labels are all among the six, and not person alone; a small
    benchmark of real photos. ``tools/dataset_converters/voc_animals.py`` makes its
    folder (``images/*.jpg``, ``masks/*.png``) from VOC 2012; the lists and image labels
    come with mmwsss.

    ``train`` 2,651 photos of train_aug, ``val`` 200 of val. For tuning, ``train`` is
    parted in ``fit`` (2,351) and ``tune`` (300, drawn at random): settings are chosen
    by training on ``fit`` and scoring on ``tune``, never on ``val``.

    Args:
        split: one of the four; not used when ``ann_file`` is given.
        ann_file: another label file.
        data_prefix: by default ``images`` and ``masks``.
        **kwargs: those of :class:`WeakSegDataset`.

    Raises:
        ValueError: if the split is unknown.
    """

    PICTURE: ClassVar = dict(exif='ignore')  # masks lie on the pixels as stored
    METAINFO = dict(
        classes=('background', 'cat', 'cow', 'dog', 'horse', 'person', 'sheep'),
        palette=voc_palette(7).tolist(),
        long_side=320,
    )

    def __init__(
        self,
        split: str = 'train',
        ann_file: str = '',
        data_prefix: dict | None = None,
        **kwargs,
    ) -> None:
        prefix = dict(img_path='images', seg_map_path='masks')
        super().__init__(
            ann_file=ann_file or shipped_split(SPLITS, split),
            data_prefix=prefix | (data_prefix or {}),
            **kwargs,
        )
