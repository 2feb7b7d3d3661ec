# Licensed under Apache-2.0.
"""Modules that refine soft maps with the image: ``(images, maps) → maps``."""

from mmwsss.ops import PAR
from mmwsss.registry import MODELS

from .dense_crf import DenseCRF
from .random_walk import RandomWalk

# ops know no registry: that is done here.
MODELS.register_module(module=PAR)

__all__ = ['PAR', 'DenseCRF', 'RandomWalk']
