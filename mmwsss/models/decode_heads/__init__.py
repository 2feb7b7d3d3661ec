# Licensed under Apache-2.0.
from .large_fov_head import LargeFOVHead

__all__ = ['LargeFOVHead']
