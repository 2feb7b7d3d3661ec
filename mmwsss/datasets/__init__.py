# Licensed under Apache-2.0.
import mmseg.datasets  # noqa: F401  a child registry does not load its parent's

from .coco14 import COCO14WeakDataset
from .errors import DataError, LabelError, MaskError, UnreadableImageError
from .folder import FolderWeakDataset
from .samplers import SeededInfiniteSampler
from .shapes import ShapesDataset
from .transforms import (
    HSVShift,
    LoadFusedMaps,
    LoadMask,
    LoadRGBImage,
    LoadSaliency,
    MultiView,
    PackWeakInputs,
    PILColorJitter,
    PILMultiScale,
    PILPadCrop,
    PILRandomBlur,
    PILRandomFlip,
    PILRandomGrey,
    PILRandomResizedCrop,
    PILRandomScale,
    PILRandomSolarise,
    PILResizeLongSide,
    ToCoViews,
)
from .voc12 import VOC12WeakDataset
from .weak_seg_dataset import WeakSegDataset

__all__ = [
    'COCO14WeakDataset',
    'DataError',
    'FolderWeakDataset',
    'HSVShift',
    'LabelError',
    'LoadFusedMaps',
    'LoadMask',
    'LoadRGBImage',
    'LoadSaliency',
    'MaskError',
    'MultiView',
    'PILColorJitter',
    'PILMultiScale',
    'PILPadCrop',
    'PILRandomBlur',
    'PILRandomFlip',
    'PILRandomGrey',
    'PILRandomResizedCrop',
    'PILRandomScale',
    'PILRandomSolarise',
    'PILResizeLongSide',
    'PackWeakInputs',
    'SeededInfiniteSampler',
    'ShapesDataset',
    'ToCoViews',
    'UnreadableImageError',
    'VOC12WeakDataset',
    'WeakSegDataset',
]
