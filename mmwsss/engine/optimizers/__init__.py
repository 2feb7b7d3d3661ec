# Licensed under Apache-2.0.
from .merged_constructor import MergedOptimWrapperConstructor

__all__ = ['MergedOptimWrapperConstructor']
