# Licensed under Apache-2.0.
"""Pictures: CAM heat, labels, panels; drawn with numpy and PIL.

Importing it imports mmseg, whose visualizers are registered then.
"""

import mmseg.visualization  # noqa: F401  registers what a child would not find

from mmwsss.utils.label_png import save_label_png
from mmwsss.utils.palette import full_palette, voc_palette

from .overlays import cam_overlay, label_overlay
from .panels import Tile, compose_panel, legend_strip, sample_tiles
from .samples import image_labels, sample_outputs, to_picture

__all__ = [
    'Tile',
    'cam_overlay',
    'compose_panel',
    'full_palette',
    'image_labels',
    'label_overlay',
    'legend_strip',
    'sample_outputs',
    'sample_tiles',
    'save_label_png',
    'to_picture',
    'voc_palette',
]
