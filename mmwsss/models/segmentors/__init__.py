# Licensed under Apache-2.0.
from .afa import AFA
from .fsr import FSR
from .post_processed import PostProcessMixin, post_processed
from .single_stage_wsss import SingleStageWSSS
from .toco import ToCo

__all__ = [
    'AFA', 'FSR', 'PostProcessMixin', 'SingleStageWSSS', 'ToCo', 'post_processed',
]
