# Licensed under Apache-2.0.
from .activation_head import ActivationHead
from .cam_head import CAMHead

__all__ = ['ActivationHead', 'CAMHead']
