# Licensed under Apache-2.0.
from .fsr import FSR
from .single_stage_wsss import SingleStageWSSS
from .toco import ToCo

__all__ = ['FSR', 'SingleStageWSSS', 'ToCo']
