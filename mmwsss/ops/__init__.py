# Licensed under Apache-2.0.
"""Operators on pixels. Need torch and numpy alone."""

from .bilateral import bilateral_filter, gaussian_filter
from .dense_energy import dense_energy, energy_gate, gated_energy, scale_energy_inputs
from .lattice import Lattice, build_lattice, filter_with_lattice
from .par import PAR, par, par_affinity, par_propagate

__all__ = [
    'Lattice',
    'PAR',
    'bilateral_filter',
    'build_lattice',
    'dense_energy',
    'energy_gate',
    'filter_with_lattice',
    'gated_energy',
    'gaussian_filter',
    'par',
    'par_affinity',
    'par_propagate',
    'scale_energy_inputs',
]
