# Licensed under Apache-2.0.
"""Operators on pixels. Need torch and numpy alone."""

from mmwsss.ops._loader import get_build_info
from mmwsss.ops._schema import python_forms
from mmwsss.ops.bilateral import bilateral_filter, gaussian_filter
from mmwsss.ops.crf_presets import DENSE_CRF_PRESETS
from mmwsss.ops.crf_unary import (
    collapse_labels,
    prob_from_cam,
    unary_from_cam,
    unary_from_labels,
    unary_from_log_prob,
    unary_from_prob,
)
from mmwsss.ops.dense_crf import dense_crf, dense_crf_labels
from mmwsss.ops.dense_energy import (
    dense_energy,
    dense_energy_loss,
    energy_gate,
    gated_energy,
    scale_energy_inputs,
)
from mmwsss.ops.lattice import PermutohedralLattice
from mmwsss.ops.par import PAR, par, par_affinity, par_propagate
from mmwsss.ops.paths import disc_offsets, pair_affinity, pair_offsets, path_affinity
from mmwsss.ops.random_walk import random_walk

__all__ = [
    'DENSE_CRF_PRESETS',
    'PAR',
    'PermutohedralLattice',
    'bilateral_filter',
    'collapse_labels',
    'dense_crf',
    'dense_crf_labels',
    'dense_energy',
    'dense_energy_loss',
    'disc_offsets',
    'energy_gate',
    'gated_energy',
    'gaussian_filter',
    'get_build_info',
    'pair_affinity',
    'pair_offsets',
    'par',
    'par_affinity',
    'par_propagate',
    'path_affinity',
    'prob_from_cam',
    'python_forms',
    'random_walk',
    'scale_energy_inputs',
    'unary_from_cam',
    'unary_from_labels',
    'unary_from_log_prob',
    'unary_from_prob',
]
