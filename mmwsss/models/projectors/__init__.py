# Licensed under Apache-2.0.
from .affinity_head import AffinityHead
from .class_semantics import ClassSemantics
from .class_token_head import ClassTokenHead
from .projection_head import ProjectionHead

__all__ = ['AffinityHead', 'ClassSemantics', 'ClassTokenHead', 'ProjectionHead']
