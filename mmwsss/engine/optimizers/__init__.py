# Licensed under Apache-2.0.
from .fine_tune_constructor import FineTuneOptimWrapperConstructor
from .merged_constructor import MergedOptimWrapperConstructor
from .slip_sgd import SlipSGD

__all__ = [
    'FineTuneOptimWrapperConstructor',
    'MergedOptimWrapperConstructor',
    'SlipSGD',
]
