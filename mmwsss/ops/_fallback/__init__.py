# Licensed under Apache-2.0.
"""The operators in PyTorch: always there, and what compiled ones are tested by."""

from mmwsss.ops._fallback.build import lattice_build
from mmwsss.ops._fallback.crf import mean_field
from mmwsss.ops._fallback.filter import lattice_filter
from mmwsss.ops._fallback.par_steps import par_affinity
from mmwsss.ops._fallback.stencil import propagate, propagate_backward

__all__ = [
    'lattice_build',
    'lattice_filter',
    'mean_field',
    'par_affinity',
    'propagate',
    'propagate_backward',
]
