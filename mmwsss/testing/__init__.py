# Licensed under Apache-2.0.
"""What every method promises, as test classes that any package can use.

A method of this package or of another one is put through them by naming its config::

    from mmwsss.testing import MethodTester

    class TestMyMethod(MethodTester):
        config = 'configs/my_method/my_method_vit-t_shapes.py'

Beside the testers there are the pieces that they are made of: tiny networks and
batches, single steps, comparisons, and whole training runs through the command line.
It needs pytest: ``pip install mmwsss[tests]``.
"""

import pytest

# failed assertions in there then show the values that were compared
pytest.register_assert_rewrite(
    *(
        f'{__name__}.{module}'
        for module in (
            'cam_method_tester',
            'method_tester',
            'pinned',
            'predictions',
            'tool_runs',
            'training_runs',
            'training_tester',
        )
    )
)

from .cam_method_tester import CAMMethodTester  # noqa: E402
from .config_files import find_config, load_config, source_folder  # noqa: E402
from .host_sync import HostSyncError, NoHostSync  # noqa: E402
from .method_tester import MethodTester  # noqa: E402
from .predictions import assert_outputs, assert_same_predictions, fields  # noqa: E402
from .tiny_batches import (  # noqa: E402
    LABELS,
    SIZE,
    pictures,
    predict_batch,
    sample,
    train_batch,
)
from .tiny_models import build, earlier_stage, earlier_stages  # noqa: E402
from .tool_runs import run_tool, train  # noqa: E402
from .training_runs import (  # noqa: E402
    assert_gradient_is_mean_of_processes,
    assert_resume_is_exact,
    assert_two_processes_agree,
)
from .training_steps import (  # noqa: E402
    at,
    begins,
    gradients,
    step,
    terms_of,
    total,
    trained_parameters,
)
from .training_tester import TrainingTester  # noqa: E402

__all__ = [
    'LABELS',
    'SIZE',
    'CAMMethodTester',
    'HostSyncError',
    'MethodTester',
    'NoHostSync',
    'TrainingTester',
    'assert_gradient_is_mean_of_processes',
    'assert_outputs',
    'assert_resume_is_exact',
    'assert_same_predictions',
    'assert_two_processes_agree',
    'at',
    'begins',
    'build',
    'earlier_stage',
    'earlier_stages',
    'fields',
    'find_config',
    'gradients',
    'load_config',
    'pictures',
    'predict_batch',
    'run_tool',
    'sample',
    'source_folder',
    'step',
    'terms_of',
    'total',
    'train',
    'train_batch',
    'trained_parameters',
]
