# Licensed under Apache-2.0.
"""Weak-label data sets: images, image labels, side inputs."""

from mmwsss.registry import import_modules  # first: it silences mmseg

# isort: split
import mmseg.datasets  # noqa: F401  a child registry does not load its parent's

from .coco14 import COCO14WeakDataset
from .folder import FolderWeakDataset
from .shapes.shapes_dataset import ShapesDataset
from .voc12 import VOC12WeakDataset
from .voc_animals import VOCAnimalsDataset
from .weak_seg_dataset import WeakSegDataset

import_modules(__name__)

__all__ = [
    'COCO14WeakDataset',
    'FolderWeakDataset',
    'ShapesDataset',
    'VOC12WeakDataset',
    'VOCAnimalsDataset',
    'WeakSegDataset',
]
