# Licensed under Apache-2.0.
from .cam_head import CAMHead
from .projected_cam_head import ProjectedCAMHead

__all__ = ['CAMHead', 'ProjectedCAMHead']
