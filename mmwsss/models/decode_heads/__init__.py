# Licensed under Apache-2.0.
from .large_fov_head import LargeFOVHead
from .mlp_head import MLPHead

__all__ = ['LargeFOVHead', 'MLPHead']
