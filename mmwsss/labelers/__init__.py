# Licensed under Apache-2.0.
"""Labelers: pictures and class maps to pseudo labels."""

from mmwsss.registry import import_modules

import_modules(__name__)
