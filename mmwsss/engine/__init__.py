# Licensed under Apache-2.0.
"""What MMEngine's runner calls: hooks, optimizers, schedules."""

import mmseg.engine  # noqa: F401  registers what a child registry would not find

from mmwsss.registry import import_modules

import_modules(__name__)
