# Licensed under Apache-2.0.
"""Scores of segmentations, CAMs and image labels."""

import mmseg.evaluation  # noqa: F401  registers what a child registry would not find

from mmwsss.registry import import_modules

import_modules(__name__)
