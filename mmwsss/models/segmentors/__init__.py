# Licensed under Apache-2.0.
from .afa import AFA
from .caae import CAAE
from .eps import EPS
from .fsr import FSR
from .irn import AffinityNetwork
from .multi_scale_encoder_decoder import MultiScaleEncoderDecoder
from .post_processed import PostProcessMixin, post_processed
from .semformer import SemFormer
from .smaf import MultiScaleSelfTraining, self_training
from .toco import ToCo
from .weak_segmentor import WeakSegmentor

__all__ = [
    'AFA',
    'AffinityNetwork',
    'CAAE',
    'EPS',
    'FSR',
    'MultiScaleEncoderDecoder',
    'MultiScaleSelfTraining',
    'PostProcessMixin',
    'SemFormer',
    'ToCo',
    'WeakSegmentor',
    'post_processed',
    'self_training',
]
