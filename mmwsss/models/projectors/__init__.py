# Licensed under Apache-2.0.
from .affinity_head import AffinityHead
from .projection_head import ProjectionHead

__all__ = ['AffinityHead', 'ProjectionHead']
