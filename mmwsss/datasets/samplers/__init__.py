# Licensed under Apache-2.0.
from .seeded_infinite_sampler import SeededInfiniteSampler

__all__ = ['SeededInfiniteSampler']
