# Licensed under Apache-2.0.
from .ema import EMACopy
from .features import Features, encode
from .inference import InferenceCfg
from .mode import evaluating
from .precision import in_float32
from .schedule import LossSchedule, StepSchedule

__all__ = [
    'EMACopy', 'Features', 'InferenceCfg', 'LossSchedule', 'StepSchedule', 'encode',
    'evaluating', 'in_float32',
]
