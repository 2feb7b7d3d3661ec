# Licensed under Apache-2.0.
"""The operators in PyTorch: always there, and what compiled ones are tested by."""

from .build import lattice_build
from .crf import mean_field
from .filter import lattice_filter
from .par import par_affinity
from .stencil import propagate, propagate_backward

__all__ = [
    'lattice_build',
    'lattice_filter',
    'mean_field',
    'par_affinity',
    'propagate',
    'propagate_backward',
]
