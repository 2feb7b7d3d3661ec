# Licensed under Apache-2.0.
"""Scores of segmentations, CAMs and image labels."""

from mmwsss.registry import import_modules  # first: it silences mmseg

# isort: split
import mmseg.evaluation  # noqa: F401  registers what a child registry would not find

import_modules(__name__)
