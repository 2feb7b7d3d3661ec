# Licensed under Apache-2.0.
from .cosine_warmup_lr import CosineWarmupLR, cosine_warmup_factor
from .poly_warmup_lr import PolyWarmupLR, poly_warmup_factor
from .warmup_lr import WarmupLR

__all__ = [
    'CosineWarmupLR',
    'PolyWarmupLR',
    'WarmupLR',
    'cosine_warmup_factor',
    'poly_warmup_factor',
]
