# Licensed under Apache-2.0.
from .large_fov_head import LargeFOVHead
from .mlp_head import MLPHead
from .reconstruction_decoder import ReconstructionDecoder

__all__ = ['LargeFOVHead', 'MLPHead', 'ReconstructionDecoder']
