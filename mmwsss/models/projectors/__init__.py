# Licensed under Apache-2.0.
from .projection_head import ProjectionHead

__all__ = ['ProjectionHead']
