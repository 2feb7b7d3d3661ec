# Licensed under Apache-2.0.
from .ema import EMACopy
from .features import Features, encode
from .frozen import FrozenNetwork
from .inference import InferenceCfg
from .masking import TokenMask, UncertainMasking
from .mode import evaluating
from .precision import in_float32
from .schedule import LossSchedule, Ramp, StepSchedule
from .self_training import SelfTrainingCfg
from .walk import WalkCfg

__all__ = [
    'EMACopy',
    'Features',
    'FrozenNetwork',
    'InferenceCfg',
    'LossSchedule',
    'Ramp',
    'SelfTrainingCfg',
    'StepSchedule',
    'TokenMask',
    'UncertainMasking',
    'WalkCfg',
    'encode',
    'evaluating',
    'in_float32',
]
