# Licensed under Apache-2.0.
"""Pictures: CAM heat, labels, panels; drawn with numpy and PIL."""

from mmwsss.registry import import_modules  # first: it silences mmseg

# isort: split
import mmseg.visualization  # noqa: F401  registers what a child would not find

import_modules(__name__)
