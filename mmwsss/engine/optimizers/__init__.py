# Licensed under Apache-2.0.
from .merged_constructor import MergedOptimWrapperConstructor
from .slip_sgd import SlipSGD

__all__ = ['MergedOptimWrapperConstructor', 'SlipSGD']
