# Licensed under Apache-2.0.
from .afa import AFA
from .eps import EPS
from .fsr import FSR
from .post_processed import PostProcessMixin, post_processed
from .smaf import MultiScaleSelfTraining, self_training
from .toco import ToCo
from .weak_segmentor import WeakSegmentor

__all__ = [
    'AFA', 'EPS', 'FSR', 'MultiScaleSelfTraining', 'PostProcessMixin', 'WeakSegmentor',
    'ToCo', 'post_processed', 'self_training',
]
