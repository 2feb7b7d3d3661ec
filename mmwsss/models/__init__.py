# Licensed under Apache-2.0.
# A child registry never imports its parents' locations: without these two lines
# `EncoderDecoder` or `mmpretrain.ResNet` would not be found.
import mmpretrain.models  # noqa: F401
import mmseg.models  # noqa: F401

from .backbones import *  # noqa: F403
from .cam_heads import *  # noqa: F403
from .data_preprocessor import WeakDataPreProcessor
from .decode_heads import *  # noqa: F403
from .losses import *  # noqa: F403
from .projectors import *  # noqa: F403
from .refiners import *  # noqa: F403
from .segmentors import *  # noqa: F403

__all__ = ['WeakDataPreProcessor']
