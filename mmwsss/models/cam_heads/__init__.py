# Licensed under Apache-2.0.
from .activation_head import ActivationHead
from .cam_head import CAMHead
from .projected_cam_head import ProjectedCAMHead

__all__ = [
    'ActivationHead',
    'CAMHead',
    'ProjectedCAMHead',
]
