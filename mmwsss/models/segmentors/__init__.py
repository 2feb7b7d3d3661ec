# Licensed under Apache-2.0.
from .single_stage_wsss import SingleStageWSSS
from .toco import ToCo

__all__ = ['SingleStageWSSS', 'ToCo']
