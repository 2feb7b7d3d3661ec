# Licensed under Apache-2.0.
"""The registries of mmwsss: every one that mmseg defines, as its child.

A config with ``default_scope = 'mmwsss'`` finds our classes by bare name, then
mmseg's, then mmengine's; ``mmpretrain.X`` reaches the sibling. A child's look-up
never imports its parent's ``locations``, so each of our locations imports the
matching mmseg package itself.
"""

from mmengine.registry import Registry
from mmseg import registry as mmseg

SCOPE = 'mmwsss'


def _child(name: str, *locations: str) -> Registry:
    """The child of ``mmseg.registry.<name>`` in our scope."""
    parent = getattr(mmseg, name)
    return Registry(
        parent.name,
        parent=parent,
        scope=SCOPE,
        locations=[f'{SCOPE}.{room}' for room in locations],
    )


RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS')
HOOKS = _child('HOOKS', 'engine')

DATASETS = _child('DATASETS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'datasets')
TRANSFORMS = _child('TRANSFORMS', 'datasets')

MODELS = _child('MODELS', 'models')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'models')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'models')

OPTIMIZERS = _child('OPTIMIZERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'engine')

METRICS = _child('METRICS', 'evaluation')
EVALUATOR = _child('EVALUATOR', 'evaluation')
TASK_UTILS = _child('TASK_UTILS', 'models')

VISUALIZERS = _child('VISUALIZERS', 'visualization')
VISBACKENDS = _child('VISBACKENDS', 'visualization')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'visualization')

INFERENCERS = _child('INFERENCERS')
