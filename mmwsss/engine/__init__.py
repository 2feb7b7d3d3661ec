# Licensed under Apache-2.0.
"""Training machinery: hooks, schedules, optimizer groups, launching."""

import mmseg.engine  # noqa: F401  registers what a child registry would not find

from .hooks import *  # noqa: F401,F403
from .optimizers import *  # noqa: F401,F403
from .schedulers import *  # noqa: F401,F403
