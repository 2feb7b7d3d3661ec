# Licensed under Apache-2.0.
from .cam_head import CAMHead

__all__ = ['CAMHead']
