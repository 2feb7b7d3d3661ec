# Licensed under Apache-2.0.
"""One folder a method: its network, losses, heads, pure functions, key map.

A method registers by being here: every module below is imported.
"""

from mmwsss.registry import import_modules

import_modules(__name__)
