# Licensed under Apache-2.0.
from .deeplabv1_head import DeepLabV1Head
from .deeplabv2_head import DeepLabV2Head
from .large_fov_head import LargeFOVHead
from .mlp_head import MLPHead

__all__ = ['DeepLabV1Head', 'DeepLabV2Head', 'LargeFOVHead', 'MLPHead']
