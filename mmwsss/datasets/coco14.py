# Licensed under Apache-2.0.
from __future__ import annotations

from typing import ClassVar

from mmwsss.io.palette import voc_palette
from mmwsss.registry import DATASETS

from .weak_seg_dataset import WeakSegDataset


@DATASETS.register_module()
class COCO14WeakDataset(WeakSegDataset):
    """MS COCO in the layout that ``tools/dataset_converters/coco14.py`` writes.

    81 classes, ids contiguous in COCO's order; images without an object are not
    in the lists (82,081 of train2014 and 40,137 of val2014 remain).

    Args:
        split: ``'train'`` or ``'val'``: the label file ``splits/<split>.txt``, the
            images ``<split>2014`` and the masks ``SegmentationClass/<split>2014``.
        year: the year in these folder names.
        ann_file: another label file.
        data_prefix: other folders.
        **kwargs: those of :class:`WeakSegDataset`.
    """

    PICTURE: ClassVar = dict(exif='ignore')  # masks lie on the pixels as stored
    METAINFO = dict(
        classes=(
            'background',
            'person',
            'bicycle',
            'car',
            'motorcycle',
            'airplane',
            'bus',
            'train',
            'truck',
            'boat',
            'traffic light',
            'fire hydrant',
            'stop sign',
            'parking meter',
            'bench',
            'bird',
            'cat',
            'dog',
            'horse',
            'sheep',
            'cow',
            'elephant',
            'bear',
            'zebra',
            'giraffe',
            'backpack',
            'umbrella',
            'handbag',
            'tie',
            'suitcase',
            'frisbee',
            'skis',
            'snowboard',
            'sports ball',
            'kite',
            'baseball bat',
            'baseball glove',
            'skateboard',
            'surfboard',
            'tennis racket',
            'bottle',
            'wine glass',
            'cup',
            'fork',
            'knife',
            'spoon',
            'bowl',
            'banana',
            'apple',
            'sandwich',
            'orange',
            'broccoli',
            'carrot',
            'hot dog',
            'pizza',
            'donut',
            'cake',
            'chair',
            'couch',
            'potted plant',
            'bed',
            'dining table',
            'toilet',
            'tv',
            'laptop',
            'mouse',
            'remote',
            'keyboard',
            'cell phone',
            'microwave',
            'oven',
            'toaster',
            'sink',
            'refrigerator',
            'book',
            'clock',
            'vase',
            'scissors',
            'teddy bear',
            'hair drier',
            'toothbrush',
        ),
        palette=voc_palette(81).tolist(),
        long_side=640,
    )

    def __init__(
        self,
        split: str = 'train',
        year: int | str = 2014,
        ann_file: str = '',
        data_prefix: dict | None = None,
        **kwargs,
    ) -> None:
        folder = f'{split}{year}'
        prefix = dict(img_path=folder, seg_map_path=f'SegmentationClass/{folder}')
        super().__init__(
            ann_file=ann_file or f'splits/{split}.txt',
            data_prefix=prefix | (data_prefix or {}),
            **kwargs,
        )
