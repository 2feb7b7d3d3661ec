# Licensed under Apache-2.0.
"""What MMEngine's runner calls: hooks, optimizers, schedules."""

from mmwsss.registry import import_modules  # first: it silences mmseg

# isort: split
import mmseg.engine  # noqa: F401  registers what a child registry would not find

import_modules(__name__)
