# Licensed under Apache-2.0.
from .afa import AFA
from .single_stage_wsss import SingleStageWSSS
from .toco import ToCo

__all__ = ['AFA', 'SingleStageWSSS', 'ToCo']
