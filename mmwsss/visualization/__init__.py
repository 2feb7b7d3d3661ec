# Licensed under Apache-2.0.
"""Pictures: CAM heat, labels, panels; drawn with numpy and PIL."""

import mmseg.visualization  # noqa: F401  registers what a child would not find

from mmwsss.registry import import_modules

import_modules(__name__)
