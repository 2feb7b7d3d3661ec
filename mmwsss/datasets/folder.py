# Licensed under Apache-2.0.
from __future__ import annotations

import os
from collections.abc import Sequence

from mmwsss.datasets.shapes.shapes_dataset import folder_metainfo
from mmwsss.io.image_files import IMAGE_SUFFIXES
from mmwsss.registry import DATASETS

from .weak_seg_dataset import WeakSegDataset

_SUFFIXES = (*IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES))


@DATASETS.register_module()
class FolderWeakDataset(WeakSegDataset):
    """Your own images, with labels in a file or by folder.

    Either ``ann_file`` is a label file of any known form and the images lie in
    ``data_prefix['img_path']``; or ``ann_file`` is a folder with one folder a
    class (``cat/``, ``dog/``, ``cat+dog/`` for images of both), in which the
    images lie. The foreground classes come from ``metainfo`` or, one a line,
    from ``data_root/classes.txt``. Masks for testing are PNGs of class ids with
    the name of the image, below ``data_prefix['seg_map_path']``.

    Args:
        ann_file: label file or folder of class folders, below ``data_root``.
        data_root: folder of the data set.
        data_prefix: by default the images are in ``ann_file`` (class folders), in
            ``images`` (label file) or, where there is no such folder, beside the label
            file; the masks in ``masks``.
        img_suffix: suffixes tried for names without one.
        metainfo: ``dict(classes=('background', ...))``.
        **kwargs: those of :class:`WeakSegDataset`.
    """

    def __init__(
        self,
        ann_file: str = 'train',
        data_root: str | None = None,
        data_prefix: dict | None = None,
        img_suffix: str | Sequence[str] = _SUFFIXES,
        metainfo: dict | None = None,
        **kwargs,
    ) -> None:
        root = data_root or ''
        if os.path.isdir(os.path.join(root, ann_file)):
            images = ann_file
        elif os.path.isdir(os.path.join(root, 'images')):
            images = 'images'
        else:  # as Roboflow and Hugging Face write them
            images = os.path.dirname(ann_file)
        prefix = dict(img_path=images, seg_map_path='masks')
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=prefix | (data_prefix or {}),
            img_suffix=img_suffix,
            metainfo=folder_metainfo(data_root, metainfo),
            **kwargs,
        )
