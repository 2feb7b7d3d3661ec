# Licensed under Apache-2.0.
from .edge_head import EdgeHead
from .large_fov_head import LargeFOVHead
from .mlp_head import MLPHead
from .reconstruction_decoder import ReconstructionDecoder

__all__ = [
    'EdgeHead', 'LargeFOVHead', 'MLPHead', 'ReconstructionDecoder',
]
