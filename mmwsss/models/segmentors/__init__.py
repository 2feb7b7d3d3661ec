# Licensed under Apache-2.0.
from .afa import AFA
from .fsr import FSR
from .irn import AffinityNetwork
from .post_processed import PostProcessMixin, post_processed
from .toco import ToCo
from .weak_segmentor import WeakSegmentor

__all__ = [
    'AFA', 'FSR', 'AffinityNetwork', 'PostProcessMixin', 'ToCo', 'WeakSegmentor',
    'post_processed',
]
