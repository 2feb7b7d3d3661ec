# Licensed under Apache-2.0.
"""Refiners: (pictures, probabilities) to refined probabilities."""

from mmwsss.registry import import_modules

import_modules(__name__)
