# Licensed under Apache-2.0.
from .deeplabv1_head import DeepLabV1Head
from .deeplabv2_head import DeepLabV2Head
from .edge_head import EdgeHead
from .large_fov_head import LargeFOVHead
from .mlp_head import MLPHead
from .reconstruction_decoder import ReconstructionDecoder

__all__ = [
    'DeepLabV1Head',
    'DeepLabV2Head',
    'EdgeHead',
    'LargeFOVHead',
    'MLPHead',
    'ReconstructionDecoder',
]
