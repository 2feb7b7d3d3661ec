# Licensed under Apache-2.0.
"""Weak-label data sets: images, image labels, side inputs."""

import mmseg.datasets  # noqa: F401  a child registry does not load its parent's

from mmwsss.registry import import_modules

import_modules(__name__)
