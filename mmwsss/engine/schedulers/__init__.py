# Licensed under Apache-2.0.
from .poly_warmup_lr import PolyWarmupLR, poly_warmup_factor

__all__ = ['PolyWarmupLR', 'poly_warmup_factor']
