# Licensed under Apache-2.0.
from __future__ import annotations

from pathlib import Path

from mmwsss.datasets.label_channels import BACKGROUND, read_classes
from mmwsss.datasets.weak_seg_dataset import WeakSegDataset
from mmwsss.io.data_errors import DataError
from mmwsss.registry import DATASETS

from .scenes import SHAPES_CLASSES, SHAPES_PALETTE


def folder_metainfo(data_root: str | None, metainfo: dict | None) -> dict | None:
    """``metainfo`` with the classes of ``data_root/classes.txt`` if it has none.

    The file names the foreground classes, one a line; a line ``background`` is passed
    over.

    Raises:
        DataError: if the config names other classes than the file.
    """
    file = Path(data_root or '.') / 'classes.txt'
    given = tuple((metainfo or {}).get('classes', ()))
    if not file.is_file():
        return metainfo
    classes = (BACKGROUND, *read_classes(file))
    if given and given != classes:
        raise DataError(
            str(file),
            f'names the classes {classes[1:]}, the config {given[1:]}',
            'make both equal, in the same order',
        )
    return {**(metainfo or {}), 'classes': classes}


@DATASETS.register_module()
class ShapesDataset(WeakSegDataset):
    """The drawn benchmark of ``tools/dataset_converters/shapes.py``.

    VOC layout: ``JPEGImages/*.jpg``, ``SegmentationClass/*.png``,
    ``splits/<split>.txt`` (``name class ...``) and ``classes.txt``, which gives
    the classes; without it they are those of the generator.

    Args:
        split: ``'train'``, ``'val'`` or ``'test'``.
        ann_file: another label file.
        data_root: folder of the data set.
        data_prefix: other folders.
        metainfo: other classes.
        **kwargs: those of :class:`WeakSegDataset`.
    """

    def __init__(
        self,
        split: str = 'train',
        ann_file: str = '',
        data_root: str | None = None,
        data_prefix: dict | None = None,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        prefix = dict(img_path='JPEGImages', seg_map_path='SegmentationClass')
        metainfo = folder_metainfo(data_root, metainfo) or {}
        if not metainfo.get('classes'):
            metainfo = {**metainfo, 'classes': SHAPES_CLASSES}
        if tuple(metainfo['classes']) == SHAPES_CLASSES:
            metainfo.setdefault('palette', [list(rgb) for rgb in SHAPES_PALETTE])
        super().__init__(
            ann_file=ann_file or f'splits/{split}.txt',
            data_root=data_root,
            data_prefix=prefix | (data_prefix or {}),
            metainfo=metainfo,
            **kwargs,
        )
