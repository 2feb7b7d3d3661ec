# Licensed under Apache-2.0.
from mmwsss.ops import PAR
from mmwsss.registry import MODELS

# ops know no registry: that is done here.
MODELS.register_module(module=PAR)
