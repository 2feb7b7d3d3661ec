# Licensed under Apache-2.0.
"""The registries of mmwsss: every one that mmseg defines, as its child.

A config with ``default_scope = 'mmwsss'`` finds our classes by bare name, then
mmseg's, then mmengine's; ``mmpretrain.X`` reaches the sibling. A child's look-up
never imports its parent's ``locations``, so each of our locations imports the
matching mmseg package itself.
"""

import importlib
import pkgutil
from typing import Any

from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import Registry
from mmseg import registry as mmseg

from mmwsss.io.library_noise import silence_noise
from mmwsss.io.safe_yaml import use_safe_yaml

SCOPE = 'mmwsss'
#: mmengine's initialiser that reads a file, by its registered and its own name
PRETRAINED = ('Pretrained', 'PretrainedInit')
# configs of other packages may be based on ours: 'mmwsss::toco/toco_vit-t_shapes.py'
MODULE2PACKAGE[SCOPE] = SCOPE
silence_noise()
use_safe_yaml()


def import_modules(package: str) -> None:
    """Import every module below a package, so that what it holds is registered.

    A new file needs no line in a list.

    Args:
        package: dotted name, ``__name__`` of its ``__init__.py``.
    """
    path = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(path, f'{package}.'):
        importlib.import_module(module.name)


def _child(name: str, *locations: str) -> Registry:
    """The child of ``mmseg.registry.<name>`` in our scope.

    A method may bring anything of its own, so all look into ``methods`` too.
    """
    parent = getattr(mmseg, name)
    rooms = (*locations, 'methods')
    return Registry(
        parent.name,
        parent=parent,
        scope=SCOPE,
        locations=[f'{SCOPE}.{room}' for room in rooms],
    )


RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS')
HOOKS = _child('HOOKS', 'engine')

DATASETS = _child('DATASETS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'datasets')
TRANSFORMS = _child('TRANSFORMS', 'datasets')
#: ours alone: kinds of dense inputs of a data set beside its pictures
SIDE_INPUT_KINDS = Registry(
    'side_input_kind', scope=SCOPE, locations=[f'{SCOPE}.datasets', f'{SCOPE}.methods']
)
#: ours alone: forms of label files
LABEL_READERS = Registry(
    'label_reader', scope=SCOPE, locations=[f'{SCOPE}.datasets', f'{SCOPE}.methods']
)

MODELS = _child('MODELS', 'models', 'labelers')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'models')
#: rules that make pseudo labels of class maps; mmseg has no such registry
LABELERS = Registry(
    'labeler', scope=SCOPE, locations=[f'{SCOPE}.labelers', f'{SCOPE}.methods']
)
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

INFERENCERS = _child('INFERENCERS', 'apis')


def class_of(kind: Any, registry: Registry) -> Any:
    """What a config's ``type`` stands for: a registered name, or the class itself.

    Returns:
        The class or function; ``None`` for a name that isn't registered.
    """
    return registry.get(kind) if isinstance(kind, str) else kind


def name_of(kind: Any) -> str:
    """The bare name of a config's ``type``: a string, with scope or not, or a class."""
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]
