# Licensed under Apache-2.0.
from .afa import AFA
from .eps import EPS
from .fsr import FSR
from .multi_scale_encoder_decoder import MultiScaleEncoderDecoder
from .post_processed import PostProcessMixin, post_processed
from .toco import ToCo
from .weak_segmentor import WeakSegmentor

__all__ = [
    'AFA', 'EPS', 'FSR', 'MultiScaleEncoderDecoder', 'PostProcessMixin',
    'WeakSegmentor', 'ToCo', 'post_processed',
]
