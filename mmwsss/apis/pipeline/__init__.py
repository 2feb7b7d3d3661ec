# Licensed under Apache-2.0.
"""Methods of several stages in one command, resumed where they stopped."""

from .lock import BusyError
from .options import with_options
from .process import Interrupted, ToolError
from .runner import PipelineRun, dry_run, run_pipeline, select
from .stage_types import STAGE_TYPES, StageType
from .stages import PipelineError, Stage, read_stages

__all__ = [
    'STAGE_TYPES',
    'BusyError',
    'Interrupted',
    'PipelineError',
    'PipelineRun',
    'Stage',
    'ToolError',
    'StageType',
    'dry_run',
    'read_stages',
    'run_pipeline',
    'select',
    'with_options',
]
