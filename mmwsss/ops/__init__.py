# Licensed under Apache-2.0.
"""Operators on pixels: PAR (more below). Needs torch and numpy alone."""

from .par import PAR, par, par_affinity, par_propagate

__all__ = ['PAR', 'par', 'par_affinity', 'par_propagate']
