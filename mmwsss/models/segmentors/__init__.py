# Licensed under Apache-2.0.
from .afa import AFA
from .caae import CAAE
from .fsr import FSR
from .post_processed import PostProcessMixin, post_processed
from .semformer import SemFormer
from .toco import ToCo
from .weak_segmentor import WeakSegmentor

__all__ = [
    'AFA', 'CAAE', 'FSR', 'PostProcessMixin', 'SemFormer', 'ToCo', 'WeakSegmentor',
    'post_processed',
]
