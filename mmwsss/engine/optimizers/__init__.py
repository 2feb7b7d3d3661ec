# Licensed under Apache-2.0.
from .fine_tune_constructor import FineTuneOptimWrapperConstructor
from .merged_constructor import MergedOptimWrapperConstructor

__all__ = ['FineTuneOptimWrapperConstructor', 'MergedOptimWrapperConstructor']
